#include "ek_kernels.h"

void ek_mean_s8(const ek_mean_params *p, const int8_t *x, int8_t *y)
{
    for (int32_t c = 0; c < p->channels; ++c) {
        int32_t sum = 0;
        for (int32_t i = 0; i < p->pixels; ++i) {
            sum += x[i * p->channels + c] - p->input_zero;
        }
        const int32_t high = ek_doubling_high_mul(ek_shift_left(sum, (uint32_t)p->left), p->multiplier);
        y[c] = (int8_t)ek_clamp(ek_divide_by_pot(high, (uint32_t)p->right) + p->zero_point, -128, 127);
    }
}
