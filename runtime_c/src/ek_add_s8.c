#include "ek_kernels.h"

void ek_add_s8(const ek_add_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    for (int32_t i = 0; i < p->elements; ++i) {
        /* Codes are at most 255 from the zero point, so 20 bits of headroom stay below 2^28. */
        const int32_t x = (a[i] - p->a_zero) * (1 << 20);
        const int32_t z = (b[i] - p->b_zero) * (1 << 20);
        const int32_t sum = ek_divide_by_pot(ek_doubling_high_mul(x, p->a_multiplier), (uint32_t)p->a_shift) +
                            ek_divide_by_pot(ek_doubling_high_mul(z, p->b_multiplier), (uint32_t)p->b_shift);
        const int32_t code = ek_divide_by_pot(ek_doubling_high_mul(sum, p->multiplier), (uint32_t)p->shift);
        y[i] = (int8_t)ek_clamp(code + p->zero_point, p->low, p->high);
    }
}
