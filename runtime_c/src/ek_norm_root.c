#include "ek_norm_root.h"
#include "ek_fixed_point.h"
#include "ek_simd.h"

/* floor(sqrt(x)) for x < 2^62. */
static int64_t root_of(int64_t x)
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

ek_inverse_root ek_reciprocal_root(int64_t whole, const ek_norm_params *p)
{
    const int64_t one = INT64_C(1) << p->fraction, sum = whole * one + p->epsilon;
    const int64_t spread = sum < one ? one : sum;
    const uint32_t high = (uint32_t)(spread >> 32);
    const int32_t length = high ? 64 - ek_leading_zeros(high) : 32 - ek_leading_zeros((uint32_t)spread);
    const int32_t even = (62 - length) & ~1;
    const int64_t quotient = (INT64_C(1) << 61) / root_of(spread << even);
    ek_inverse_root r;
    r.inverse = quotient > 2147483647 ? 2147483647 : (int32_t)quotient;
    r.shift = 61 - 22 - ((even + p->fraction) >> 1);
    return r;
}
