#include "ek_kernels.h"
#include "ek_levels.h"

static uint32_t dot(const int16_t *row, const int8_t *w, int32_t inputs)
{
    uint32_t sum = 0;
    for (; inputs > 0; --inputs) {
        sum += (uint32_t)(*row++ * *w++);
    }
    return sum;
}

void ek_fully_connected_levels(const ek_fully_connected_params *p, const int16_t *levels, const int8_t *x,
                               const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch)
{
    int16_t *const row = (int16_t *)scratch;
    for (int32_t i = 0; i < p->rows; ++i) {
        ek_decode_levels(x, p->inputs, 1, levels, row);
        const int8_t *weights = w;
        for (int32_t o = 0; o < p->outputs; ++o) {
            const int32_t acc = (int32_t)(dot(row, weights, p->inputs) + (uint32_t)channels[o].bias);
            *y++ = ek_requantize(acc, &channels[o], p->out, p->out.double_rounding);
            weights += p->inputs;
        }
        x += p->inputs;
    }
}
