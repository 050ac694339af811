#include "ek_arithmetic_s8.h"

static int32_t rescaled(const ek_arithmetic_params *p, int32_t a, int32_t b)
{
    const int32_t sum = ek_addend_s16(a, p->a_multiplier, p->a_shift) - ek_addend_s16(b, p->b_multiplier, p->b_shift);
    return ek_divide_by_pot(ek_doubling_high_mul(sum, p->multiplier), (uint32_t)p->shift);
}

EK_ARITHMETIC_S16(ek_sub_s16, rescaled(&q, u, v))
