#include "ek_fixed_point.h"
#include "ek_integer.h"

/* Interpolation in a table of 513 entries. */
static int32_t look_up(int32_t x, const int16_t *table)
{
    const int16_t *entry = table + 256 + (x >> 7);
    return entry[0] + (((entry[1] - entry[0]) * (x & 0x7F) + 64) >> 7);
}

void ek_softmax_s16(int32_t rows, int32_t width, const ek_rescale *scale, const int16_t *x, const int16_t *exponentials,
                    const int16_t *reciprocals, int16_t *y)
{
    for (; rows > 0; --rows) {
        int32_t best = -32768;
        for (int32_t i = 0; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        int32_t sum = 0;
        for (int32_t i = 0; i < width; ++i) {
            const int32_t down = ek_clamp(ek_rescaled(x[i] - best, scale), -65535, 0) + 32767;
            y[i] = (int16_t)look_up(down, exponentials);
            sum += y[i];
        }
        const int32_t zeros = ek_leading_zeros((uint32_t)sum);
        const int32_t shifted = (int32_t)((((int64_t)sum << (zeros - 1)) + (1 << 13)) >> 14);
        const int32_t inverse = look_up(ek_clamp(shifted - (1 << 15) - (1 << 16), -32768, 32767), reciprocals);
        const int32_t right = 31 - zeros;
        for (int32_t i = 0; i < width; ++i) {
            const int64_t share = ((int64_t)y[i] * inverse + (INT64_C(1) << (right - 1))) >> right;
            y[i] = ek_to_s16(share, 0, 32767);
        }
        x += width;
        y += width;
    }
}
