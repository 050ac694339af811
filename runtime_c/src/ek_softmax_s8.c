#include "ek_fixed_point.h"
#include "ek_kernels.h"

/* Exponentials and shares are not negative, so that half a step is all that rounding takes. */
static void softmax_row(int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    int32_t best = -128;
    for (int32_t i = 0; i < width; ++i) {
        best = x[i] > best ? x[i] : best;
    }
    uint32_t sum = 0;
    for (int32_t i = 0; i < width; ++i) {
        sum += ((uint32_t)exponentials[best - x[i]] + (1u << 11)) >> 12;
    }
    const int32_t headroom = ek_leading_zeros(sum);
    const int32_t scale = ek_one_over_one_plus((int32_t)((sum << headroom) - (UINT32_C(1) << 31)));
    const uint32_t shift = (uint32_t)(12 - headroom + 31 - 8);
    if (shift > 31u) {
        memset(y, -128, (size_t)width); /* more than 511 equal codes: every share is below half a step */
        return;
    }
    const uint32_t half = UINT32_C(1) << (shift - 1u);
    for (int32_t i = 0; i < width; ++i) {
        const uint32_t share = ((uint32_t)ek_doubling_high_mul(scale, exponentials[best - x[i]]) + half) >> shift;
        y[i] = (int8_t)((int32_t)(share > 255u ? 255u : share) - 128);
    }
}

void ek_softmax_s8(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        softmax_row(width, x, exponentials, y);
        x += width;
        y += width;
    }
}
