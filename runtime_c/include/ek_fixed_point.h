/* Functions of fixed-point numbers that several integer kernels share. */
#ifndef EK_FIXED_POINT_H
#define EK_FIXED_POINT_H

#include "ek_requantize.h"

#if defined(__arm__) && defined(__ARM_FEATURE_CLZ) /* on 64-bit Arm the instruction takes both halves */

static inline int32_t ek_leading_zeros(uint32_t x)
{
    int32_t count;
    __asm__("clz %0, %1" : "=r"(count) : "r"(x));
    return count;
}

#else

static inline int32_t ek_leading_zeros(uint32_t x)
{
    int32_t count = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit && !(x & bit); bit >>= 1) {
        ++count;
    }
    return count;
}

#endif

static inline int32_t ek_shift_left_saturated(int32_t x, int32_t shift)
{
    const int64_t wide = (int64_t)x * (INT64_C(1) << shift);
    if (wide > INT32_MAX) {
        return INT32_MAX;
    }
    return wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + a), both Q0.31 and not negative, by three Newton steps on Q2.29 from the minimax line 48/17 - 32/17 d. For
 * every a, x stays below 2^30 until the last step and nothing in between saturates: so each product is one of 32 bits.
 */
static inline int32_t ek_one_over_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((uint32_t)a + (UINT32_C(1) << 31)) >> 1);
    int32_t x = 1515870810 + ek_smmulr(half_denominator, -2021161080);
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t twice = 2 * x, error = (1 << 29) - ek_smmulr(half_denominator, twice);
        x += 4 * ek_smmulr(twice, error);
    }
    return x >= 1 << 30 ? INT32_MAX : 2 * x;
}

/* 255/256 of a sum of exponentials in Q12.19, at least one, to the power of -exponent, as Q0.31. `powers`: those of 1
 * to 2 in 64 steps, with the factor, between which it interpolates, then those of powers of two. */
static inline int32_t ek_power_of_sum(uint32_t sum, const int32_t *powers)
{
    const int32_t headroom = ek_leading_zeros(sum);
    const uint32_t mantissa = (sum << headroom) - (UINT32_C(1) << 31);
    const int32_t *const entry = powers + (mantissa >> 25);
    const int32_t rest = (int32_t)((mantissa & 0x1FFFFFFu) << 6);
    return ek_doubling_high_mul(entry[0] - ek_doubling_high_mul(entry[0] - entry[1], rest), powers[65 + 12 - headroom]);
}

#endif
