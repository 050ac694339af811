/* One over the square root of a row's spread, in integers. */
#ifndef EK_NORM_ROOT_H
#define EK_NORM_ROOT_H

#include "ek_simd.h"

/* floor(sqrt(x)) for x < 2^62. */
static inline int64_t ek_root_of(int64_t x)
{
#if EK_V6M /* where a product of 64 bits is a call: the bits of the root, and what the square leaves of x */
    uint64_t rest = (uint64_t)x, root = 0;
    for (uint64_t bit = UINT64_C(1) << 60; bit; bit >>= 2) {
        const uint64_t next = root + bit;
        root >>= 1;
        if (rest >= next) {
            rest -= next;
            root += bit;
        }
    }
    return (int64_t)root;
#else
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1) {
        if ((root + bit) * (root + bit) <= x) {
            root += bit;
        }
    }
    return root;
#endif
}

/* t / sqrt(spread) is (t * inverse) / 2^shift in units of 2^-22. */
typedef struct {
    int32_t inverse, shift;
} ek_inverse_root;

static inline ek_inverse_root ek_reciprocal_root(int64_t spread)
{
    int32_t length = 0;
    for (int64_t rest = spread; rest; rest >>= 1) {
        ++length;
    }
    const int32_t even = (62 - length) & ~1;
    const int64_t quotient = (INT64_C(1) << 61) / ek_root_of(spread << even);
    ek_inverse_root r;
    r.inverse = quotient > 2147483647 ? 2147483647 : (int32_t)quotient;
    r.shift = 61 - 22 - (even >> 1);
    return r;
}

#endif
