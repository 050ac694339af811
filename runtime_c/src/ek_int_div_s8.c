#include "ek_fixed_point.h"
#include "ek_integer.h"

static int32_t quotient(const ek_int_binary_params *p, int32_t a, int32_t b)
{
    if (b == 0) {
        return a == 0 ? 0 : (a < 0 ? -256 : 256); /* out of reach of any zero point */
    }
    const uint32_t divisor = (uint32_t)(b < 0 ? -b : b);
    const int32_t dividend = b < 0 ? -a : a;
    const int32_t zeros = ek_leading_zeros(divisor);
    const int32_t reciprocal = ek_one_over_one_plus((int32_t)((divisor << zeros) - (UINT32_C(1) << 31)));
    const int32_t headroom =
        dividend < 0 ? ek_leading_zeros(2u * (uint32_t)-dividend - 1u) : ek_leading_zeros((uint32_t)dividend) - 1;
    const int32_t fine = ek_doubling_high_mul(ek_shift_left(dividend, (uint32_t)headroom), reciprocal);
    const int32_t shift = 31 - zeros + headroom + p->output.right - p->output.left;
    return shift > 31 ? 0 : ek_divide_by_pot(ek_doubling_high_mul(fine, p->output.multiplier), (uint32_t)shift);
}

EK_INT_BINARY(ek_int_div_s8, int8_t, int8_t, ek_clamp(quotient(&q, u, v) + q.zero_point, -128, 127))
