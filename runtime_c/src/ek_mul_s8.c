#include "ek_arithmetic_s8.h"

static int32_t rescaled(const ek_arithmetic_params *p, int32_t product)
{
    const int32_t left = p->shift < 0 ? -p->shift : 0;
    const int32_t right = p->shift < 0 ? 0 : p->shift;
    return ek_divide_by_pot(ek_smmulr(2 * ek_shift_left(product, (uint32_t)left), p->multiplier), (uint32_t)right);
}

EK_ARITHMETIC_S8(ek_mul_s8, rescaled(&q, u *v))
