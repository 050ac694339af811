/* One over the square root of a row's spread, in integers. */
#ifndef EK_NORM_ROOT_H
#define EK_NORM_ROOT_H

#include "ek_norm.h"

#include <stdint.h>

/* floor(sqrt(x)) for x < 2^62. */
static inline int64_t ek_root_of(int64_t x)
{
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1) {
        if ((root + bit) * (root + bit) <= x) {
            root += bit;
        }
    }
    return root;
}

/* t / sqrt(D) is (t * inverse) / 2^shift in units of 2^-22. */
typedef struct {
    int32_t inverse, shift;
} ek_inverse_root;

/* D = whole + epsilon / 2^fraction. Below 1 it stands for 1: all t of such a row are 0. */
static inline ek_inverse_root ek_reciprocal_root(int64_t whole, const ek_norm_params *p)
{
    const int64_t one = INT64_C(1) << p->fraction, sum = whole * one + p->epsilon;
    const int64_t spread = sum < one ? one : sum;
    int32_t length = 0;
    for (int64_t rest = spread; rest; rest >>= 1) {
        ++length;
    }
    const int32_t even = (62 - length) & ~1;
    const int64_t quotient = (INT64_C(1) << 61) / ek_root_of(spread << even);
    ek_inverse_root r;
    r.inverse = quotient > 2147483647 ? 2147483647 : (int32_t)quotient;
    r.shift = 61 - 22 - ((even + p->fraction) >> 1);
    return r;
}

#endif
