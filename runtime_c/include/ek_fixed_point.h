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

/* 1 / (1 + a), both Q0.31, by three Newton steps on Q2.29 from the minimax line 48/17 - 32/17 d. */
static inline int32_t ek_one_over_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + ek_doubling_high_mul(half_denominator, -1010580540);
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t error = (1 << 29) - ek_doubling_high_mul(half_denominator, x);
        const int64_t next = (int64_t)x + ek_shift_left_saturated(ek_doubling_high_mul(x, error), 2);
        x = next > INT32_MAX ? INT32_MAX : (next < INT32_MIN ? INT32_MIN : (int32_t)next);
    }
    return ek_shift_left_saturated(x, 1);
}

#endif
