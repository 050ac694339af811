#include "ek_integer.h"

void ek_fully_connected_s16(const ek_fully_connected_s16_params *p, const int16_t *x, const int8_t *w,
                            const ek_channel_64 *channels, int16_t *y)
{
    for (int32_t row = 0; row < p->rows; ++row) {
        const int8_t *weights = w;
        for (int32_t o = 0; o < p->outputs; ++o) {
            int64_t acc = channels[o].bias;
            for (int32_t i = 0; i < p->inputs; ++i) {
                acc += x[i] * *weights++;
            }
            *y++ = ek_to_s16(ek_rescaled_wide(acc, channels[o].multiplier, channels[o].shift), p->low, p->high);
        }
        x += p->inputs;
    }
}
