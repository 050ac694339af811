#include "ek_fixed_point.h"
#include "ek_kernels.h"

void ek_softmax_s8(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        int32_t best = -128;
        for (int32_t i = 0; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        uint32_t sum = 0;
        for (int32_t i = 0; i < width; ++i) {
            sum += (uint32_t)ek_divide_by_pot(exponentials[best - x[i]], 12);
        }
        const int32_t headroom = ek_leading_zeros(sum);
        const int32_t scale = ek_one_over_one_plus((int32_t)((sum << headroom) - (UINT32_C(1) << 31)));
        const int32_t shift = 12 - headroom + 31 - 8;
        for (int32_t i = 0; i < width; ++i) {
            const int32_t exponential = exponentials[best - x[i]];
            /* More than 511 equal codes: every share is below half a step. */
            const int32_t share =
                shift > 31 ? 0 : ek_divide_by_pot(ek_doubling_high_mul(scale, exponential), (uint32_t)shift);
            y[i] = (int8_t)ek_clamp(share - 128, -128, 127);
        }
        x += width;
        y += width;
    }
}
