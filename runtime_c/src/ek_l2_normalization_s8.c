#include "ek_fixed_point.h"
#include "ek_integer.h"

/* 1 / sqrt(x) = *multiplier / 2^31 / 2^shift for x > 1, by five Newton steps on Q3.28. */
static int32_t inverse_square_root(int32_t x, int32_t *shift)
{
    *shift = 11;
    while (x >= 1 << 29) {
        x /= 4;
        ++*shift;
    }
    const int32_t pairs = (ek_leading_zeros((uint32_t)x) - 1) / 2 - 1;
    *shift -= pairs;
    x *= 1 << (2 * pairs);
    const int32_t half = ek_divide_by_pot(x >> 1, 1);
    int32_t y = 1 << 28;
    for (int32_t step = 0; step < 5; ++step) {
        const int32_t cube = ek_shift_left_saturated(ek_doubling_high_mul(ek_doubling_high_mul(y, y), y), 6);
        const int32_t next = ek_doubling_high_mul((1 << 28) + (1 << 27), y) - ek_doubling_high_mul(half, cube);
        y = ek_shift_left_saturated(next, 3);
    }
    y = ek_doubling_high_mul(y, 1518500250);
    for (; *shift < 0; ++*shift) {
        y *= 2;
    }
    return y;
}

void ek_l2_normalization_s8(int32_t rows, int32_t width, int32_t zero_point, const int8_t *x, int8_t *y)
{
    for (; rows > 0; --rows) {
        int32_t sum = 0;
        for (int32_t i = 0; i < width; ++i) {
            sum += (x[i] - zero_point) * (x[i] - zero_point);
        }
        ek_rescale scale = {INT32_MAX, 7, 0};
        if (sum > 1) {
            int32_t shift;
            scale.multiplier = inverse_square_root(sum, &shift);
            scale.left = shift < 7 ? 7 - shift : 0;
            scale.right = shift < 7 ? 0 : shift - 7;
        }
        for (int32_t i = 0; i < width; ++i) {
            y[i] = (int8_t)ek_clamp(ek_rescaled(x[i] - zero_point, &scale), -128, 127);
        }
        x += width;
        y += width;
    }
}
