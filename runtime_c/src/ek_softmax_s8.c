#include "ek_kernels.h"

static int32_t leading_zeros(uint32_t x)
{
    int32_t count = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit && !(x & bit); bit >>= 1) {
        ++count;
    }
    return count;
}

static int32_t shift_left_saturated(int32_t x, int32_t shift)
{
    const int64_t wide = (int64_t)x * (INT64_C(1) << shift);
    if (wide > INT32_MAX) {
        return INT32_MAX;
    }
    return wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + a), both Q0.31, by three Newton steps on Q2.29 from the minimax line 48/17 - 32/17 d. */
static int32_t one_over_one_plus(int32_t a)
{
    const int32_t half_denominator = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
    int32_t x = 1515870810 + ek_doubling_high_mul(half_denominator, -1010580540);
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t error = (1 << 29) - ek_doubling_high_mul(half_denominator, x);
        const int64_t next = (int64_t)x + shift_left_saturated(ek_doubling_high_mul(x, error), 2);
        x = next > INT32_MAX ? INT32_MAX : (next < INT32_MIN ? INT32_MIN : (int32_t)next);
    }
    return shift_left_saturated(x, 1);
}

void ek_softmax_s8(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        int32_t best = -128;
        for (int32_t i = 0; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        int32_t sum = 0;
        for (int32_t i = 0; i < width; ++i) {
            sum += ek_divide_by_pot(exponentials[best - x[i]], 12);
        }
        const int32_t headroom = leading_zeros((uint32_t)sum);
        const int32_t scale = one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - (UINT32_C(1) << 31)));
        const int32_t shift = 12 - headroom + 31 - 8;
        for (int32_t i = 0; i < width; ++i) {
            const int32_t exponential = exponentials[best - x[i]];
            const int32_t share = ek_divide_by_pot(ek_doubling_high_mul(scale, exponential), (uint32_t)shift);
            y[i] = (int8_t)ek_clamp(exponential ? share - 128 : -128, -128, 127);
        }
        x += width;
        y += width;
    }
}
