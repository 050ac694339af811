#include "ek_arithmetic_s8.h"

static int32_t rescaled(const ek_arithmetic_params *p, int32_t product)
{
    return ek_divide_by_pot(ek_doubling_high_mul(product, p->multiplier), (uint32_t)p->shift);
}

EK_ARITHMETIC_S16(ek_mul_s16, rescaled(&q, u *v))
