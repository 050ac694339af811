#include "ek_coded_dots.h"
#include "ek_kernels.h"

EK_INLINE void multiply_rows(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding,
                             const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y, int32_t *table,
                             ek_dots_run *run)
{
    const int32_t outputs = p->outputs;
    for (int32_t first = 0; first < outputs; first += 4 * fours) {
        const int32_t count = outputs - first < 4 * fours ? outputs - first : 4 * fours;
        ek_decode_fours(coding, w, channels, first, (count + 3) >> 2, p->inputs >> 4, p->input_zero, table);
        ek_dots_layer layer = ek_dots_start(table, p->inputs, count, outputs, p->out);
        ek_dots_rows(&layer, x, p->rows, p->inputs, y + first, run);
    }
}

#define FULLY_CONNECTED(name, run)                                                                                     \
    void name(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,             \
              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)                                    \
    {                                                                                                                  \
        multiply_rows(p, fours, coding, x, w, channels, y, (int32_t *)scratch, run);                                   \
    }

FULLY_CONNECTED(ek_fully_connected_coded_mve_twice, ek_dots_twice)
FULLY_CONNECTED(ek_fully_connected_coded_mve_once, ek_dots_once)
FULLY_CONNECTED(ek_fully_connected_coded_mve_single_twice, ek_dots_single_twice)
FULLY_CONNECTED(ek_fully_connected_coded_mve_single_once, ek_dots_single_once)
