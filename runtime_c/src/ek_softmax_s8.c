#include "ek_fixed_point.h"
#include "ek_kernels.h"

static int32_t largest(int32_t width, const int8_t *x)
{
    int32_t best = -128;
    for (int32_t i = 0; i < width; ++i) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

/* The sum of all exponentials / 2^12, each rounded: they are not negative, so that half a step is all it takes. */
static uint32_t total(int32_t width, const int8_t *x, int32_t best, const int32_t *exponentials)
{
    uint32_t sum = 0;
    for (int32_t i = 0; i < width; ++i) {
        sum += ((uint32_t)exponentials[best - x[i]] + (1u << 11)) >> 12;
    }
    return sum;
}

/* Codes of scale * exponential / 2^shift. */
static void shares(int32_t width, const int8_t *x, int32_t best, const int32_t *exponentials, int32_t scale,
                   uint32_t shift, int8_t *y)
{
    const uint32_t half = UINT32_C(1) << (shift - 1u);
    for (int32_t i = 0; i < width; ++i) {
        const uint32_t share = ((uint32_t)ek_doubling_high_mul(scale, exponentials[best - x[i]]) + half) >> shift;
        y[i] = (int8_t)((int32_t)(share > 255u ? 255u : share) - 128);
    }
}

static void softmax_row(int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    const int32_t best = largest(width, x);
    const uint32_t sum = total(width, x, best, exponentials);
    const int32_t headroom = ek_leading_zeros(sum);
    const int32_t scale = ek_one_over_one_plus((int32_t)((sum << headroom) - (UINT32_C(1) << 31)));
    const uint32_t shift = (uint32_t)(12 - headroom + 31 - 8);
    if (shift > 31u) {
        memset(y, -128, (size_t)width); /* more than 511 equal codes: every share is below half a step */
        return;
    }
    shares(width, x, best, exponentials, scale, shift, y);
}

void ek_softmax_s8(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        softmax_row(width, x, exponentials, y);
        x += width;
        y += width;
    }
}

void ek_softmax_s8_power(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        const int32_t best = largest(width, x);
        const int32_t scale = ek_power_of_sum(total(width, x, best, exponentials), exponentials + 512);
        shares(width, x, best, exponentials + 256, scale, 31 - 8, y);
        x += width;
        y += width;
    }
}
