#include "ek_arithmetic_s8.h"

static int32_t rescaled(const ek_arithmetic_params *p, int32_t a, int32_t b)
{
    const int32_t sum = ek_addend(a, p->a_multiplier, p->a_shift) + ek_addend(b, p->b_multiplier, p->b_shift);
    return ek_divide_by_pot(ek_smmulr(2 * sum, p->multiplier), (uint32_t)p->shift);
}

EK_ARITHMETIC_S8(ek_add_s8, rescaled(&q, u, v))
