#include "ek_kernels.h"

void ek_fully_connected_s8(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                           const ek_channel *channels, int8_t *y)
{
    const ek_output out = p->out;
    for (int32_t row = 0; row < p->rows; ++row) {
        const int8_t *weights = w;
        for (int32_t o = 0; o < p->outputs; ++o) {
            int32_t acc = channels[o].bias;
            for (int32_t i = 0; i < p->inputs; ++i) {
                acc += (x[i] - p->input_zero) * (*weights++ - p->weight_zero);
            }
            *y++ = ek_requantize(acc, &channels[o], out, out.double_rounding);
        }
        x += p->inputs;
    }
}
