/* From int32 accumulators to int8 codes.
 *
 * Source: TFLite 8-bit quantization specification (two rounding steps) and its single-rounding variant. Every shift is
 * known when the code is generated; the generator proves that no left shift below overflows, or refuses the model. */
#ifndef EK_REQUANTIZE_H
#define EK_REQUANTIZE_H

#include "ek_simd.h"

#define EK_INLINE __attribute__((always_inline)) static inline

/* One output channel. `left` and `right` are chosen by the generator, see codegen/lowering/requantize.py;
 * `right` is at least 1 where there is one rounding. */
typedef struct {
    int32_t bias;
    int32_t multiplier;
    uint16_t left;
    uint16_t right;
} ek_channel;

/* What the channels of a layer share. Kernels copy it: a store of int8 codes may alias anything behind a pointer. */
typedef struct {
    int32_t zero_point;
    int32_t low;
    int32_t high;
    int32_t double_rounding;
} ek_output;

/* x / 2^shift, halves away from zero; 0 <= shift <= 31. */
static inline int32_t ek_divide_by_pot(int32_t x, uint32_t shift)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << shift) - 1u);
    const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> shift) + (((x & mask) > threshold) ? 1 : 0);
}

/* (2 * a * b + 2^31) >> 32 for |a| < 2^31, b > -2^31. */
static inline int32_t ek_doubling_high_mul(int32_t a, int32_t b)
{
#if EK_V6M
    const uint32_t low = (uint32_t)a * (uint32_t)b;
    return (int32_t)(2u * (uint32_t)ek_smmul(a, b) + (((low >> 30) + 1u) >> 1));
#else
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
#endif
}

static inline int32_t ek_clamp(int32_t x, int32_t low, int32_t high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static inline int32_t ek_shift_left(int32_t x, uint32_t shift)
{
    return (int32_t)((uint32_t)x << shift);
}

/* One code. Two roundings: 2 * (acc << left) * multiplier rounded to its high word, then rounded / 2^right, halves away
 * from zero. One rounding: (acc << left) * multiplier / 2^(32 + right), rounded once, halves up. Kernels pass `twice`
 * as a constant, so that each instance keeps one of the two. */
EK_INLINE int8_t ek_requantize(int32_t acc, const ek_channel *channel, ek_output out, int32_t twice)
{
    const int32_t x = ek_shift_left(acc, channel->left);
    const uint32_t right = channel->right;
    int32_t y;
    if (!twice) {
        y = ek_smmul(x, channel->multiplier);
    } else {
        y = ek_smmulr(x, channel->multiplier);
        if (right == 0) {
            return (int8_t)ek_clamp(y + out.zero_point, out.low, out.high);
        }
        y += y >> 31;
    }
    y = ((y >> (right - 1u)) + (2 * out.zero_point + 1)) >> 1;
    return (int8_t)ek_clamp(y, out.low, out.high);
}

/* How a layer's channels are requantized; kernels have an instance for each. EK_TWICE_EACH: two roundings, left 1;
 * EK_ONCE_EACH: one rounding, left 0; both with right from 1 to 21 and the full range of int8. EK_ANY: as records say.
 */
enum { EK_ANY, EK_ONCE_EACH, EK_TWICE_EACH };

/* The code of a channel's sum of products, which may have wrapped: with the bias it fits. As ek_requantize; -1 for
 * halves of negative numbers changes nothing where the first rounding made zero of one. */
EK_INLINE int8_t ek_code_of_sum(uint32_t sum, const ek_channel *channel, ek_output out, int32_t rounding)
{
    const int32_t acc = (int32_t)(sum + (uint32_t)channel->bias);
    if (rounding == EK_ANY) {
        return ek_requantize(acc, channel, out, out.double_rounding);
    }
    int32_t y;
    if (rounding == EK_TWICE_EACH) {
        y = ek_smmulr(2 * acc, channel->multiplier) + (acc >> 31);
    } else {
        y = ek_smmul(acc, channel->multiplier);
    }
    return (int8_t)ek_saturated_half((y >> (channel->right - 1u)) + (2 * out.zero_point + 1));
}

#endif
