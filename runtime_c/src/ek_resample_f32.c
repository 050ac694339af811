#include "ek_spatial.h"

void ek_resample_f32(const ek_resample_params *p, const float *x, const int32_t *places, const float *weights, float *y)
{
    for (int32_t block = 0; block < p->outer; ++block) {
        for (int32_t o = 0; o < p->out; ++o) {
            for (int32_t i = 0; i < p->inner; ++i) {
                y[i] = 0.0f;
            }
            for (int32_t tap = o * p->taps; tap < (o + 1) * p->taps; ++tap) {
                const float *from = x + (ptrdiff_t)places[tap] * p->inner;
                for (int32_t i = 0; i < p->inner; ++i) {
                    y[i] += weights[tap] * from[i];
                }
            }
            y += p->inner;
        }
        x += (ptrdiff_t)p->in * p->inner;
    }
}
