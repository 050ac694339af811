#include "ek_kernels.h"
#include "ek_rows.h"

EK_INLINE void multiply(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, int32_t rounding)
{
    const ek_row_layer layer = {p->inputs, p->outputs, p->weight_zero, w, channels, p->out};
    int32_t left = p->rows;
    for (; left > 1; left -= 2) {
        ek_multiply_two_rows(&layer, x, x + p->inputs, y, p->outputs, rounding);
        x += 2 * p->inputs;
        y += 2 * p->outputs;
    }
    if (left > 0) {
        ek_multiply_row(&layer, x, y, rounding);
    }
}

#define FULLY_CONNECTED(name, rounding)                                                                                \
    void name(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,        \
              int8_t *y)                                                                                               \
    {                                                                                                                  \
        multiply(p, x, w, channels, y, rounding);                                                                      \
    }

FULLY_CONNECTED(ek_fully_connected_s8_any, EK_ANY)
FULLY_CONNECTED(ek_fully_connected_s8_once, EK_ONCE_EACH)
FULLY_CONNECTED(ek_fully_connected_s8_twice, EK_TWICE_EACH)
