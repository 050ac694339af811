#include "ek_requantize.h"
#include "ek_spatial.h"

void ek_resample_s8(const ek_resample_params *p, const int8_t *x, const int32_t *places, const int16_t *weights,
                    int8_t *y)
{
    const int32_t zero = p->zero_point;
    for (int32_t block = 0; block < p->outer; ++block) {
        for (int32_t o = 0; o < p->out; ++o) {
            const int32_t *at = places + o * p->taps;
            const int16_t *w = weights + o * p->taps;
            for (int32_t i = 0; i < p->inner; ++i) {
                int32_t total = 1 << 13;
                for (int32_t tap = 0; tap < p->taps; ++tap) {
                    total += w[tap] * (x[(ptrdiff_t)at[tap] * p->inner + i] - zero);
                }
                *y++ = (int8_t)ek_clamp((total >> 14) + zero, -128, 127);
            }
        }
        x += (ptrdiff_t)p->in * p->inner;
    }
}
