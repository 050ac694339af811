#include "ek_kernels.h"
#include "ek_rows.h"

#define FULLY_CONNECTED(rounding)                                                                                      \
    void ek_fully_connected_s8_##rounding(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,        \
                                          const ek_channel *channels, int8_t *y)                                       \
    {                                                                                                                  \
        const ek_row_layer layer = {p->inputs, p->outputs, p->weight_zero, w, channels, p->out};                       \
        int32_t row = 0;                                                                                               \
        for (; row + 2 <= p->rows; row += 2) {                                                                         \
            ek_multiply_two_rows_##rounding(&layer, x, x + p->inputs, y, p->outputs);                                  \
            x += 2 * p->inputs;                                                                                        \
            y += 2 * p->outputs;                                                                                       \
        }                                                                                                              \
        if (row < p->rows) {                                                                                           \
            ek_multiply_row_##rounding(&layer, x, y);                                                                  \
        }                                                                                                              \
    }

FULLY_CONNECTED(any)
FULLY_CONNECTED(once)
FULLY_CONNECTED(twice)
