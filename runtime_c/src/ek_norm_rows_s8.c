#include "ek_norm.h"
#include "ek_norm_root.h"
#include "ek_requantize.h"

typedef struct {
    int32_t total, squares;
} sums;

/* Of one row, the zero point taken off. */
static sums sums_of(const int8_t *x, int32_t width, int32_t zero)
{
    sums s = {0, 0};
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    const uint32_t minus_zero = ek_pair(-zero, -zero);
    for (; width >= 4; width -= 4) {
        const uint32_t codes = ek_load32(x), even = ek_sxtab16(minus_zero, codes),
                       odd = ek_sxtab16_odd(minus_zero, codes);
        s.total = ek_smlad(even, 0x00010001u, s.total);
        s.squares = ek_smlad(even, even, s.squares);
        s.total = ek_smlad(odd, 0x00010001u, s.total);
        s.squares = ek_smlad(odd, odd, s.squares);
        x += 4;
    }
#endif
    for (; width > 0; --width) {
        const int32_t code = *x++ - zero;
        s.total += code;
        s.squares += code * code;
    }
    return s;
}

/* The high word of constant + value * scale. */
static inline int32_t high_of_sum(int32_t value, int32_t scale, int64_t constant)
{
#if EK_V6M
    const uint32_t low = (uint32_t)value * (uint32_t)scale, sum = low + (uint32_t)constant;
    return ek_smmul(value, scale) + (int32_t)(constant >> 32) + (sum < low ? 1 : 0);
#else
    return (int32_t)((constant + (int64_t)value * scale) >> 32);
#endif
}

/* The sum's high word, shifted: the low one is below every code's last bit. */
static inline int8_t code_of(int32_t value, int32_t scale, int64_t constant, uint32_t shift)
{
    return (int8_t)ek_clamp(high_of_sum(value, scale, constant) >> shift, -128, 127);
}

void ek_norm_rows_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int64_t *constants,
                     int8_t *y)
{
    const int32_t width = p->width, zero = p->input_zero;
    const uint32_t shift = (uint32_t)p->shift - 32u;
    for (int32_t row = 0; row < p->rows; ++row) {
        const sums s = sums_of(x, width, zero);
        const int32_t total = p->centred ? s.total : 0;
        const int64_t spread = (int64_t)width * s.squares - (int64_t)total * total;
        const ek_inverse_root r = ek_reciprocal_root(spread, p);
        const int32_t start = -width * zero - total;
        /* |t| is at most 255 * width. */
        if (r.shift <= 32 && r.shift > 8 && width < 1 << (r.shift - 9)) {
            const uint32_t up = 32u - (uint32_t)r.shift;
            for (int32_t k = 0; k < width; ++k) {
                const int32_t t = (int32_t)((uint32_t)(width * x[k] + start) << up);
                y[k] = code_of(ek_smmulr(t, r.inverse), scale[k], constants[k], shift);
            }
        } else {
            for (int32_t k = 0; k < width; ++k) {
                const int32_t t = width * x[k] + start;
                const int64_t value = ((int64_t)t * r.inverse + (INT64_C(1) << (r.shift - 1))) >> r.shift;
                y[k] = code_of((int32_t)value, scale[k], constants[k], shift);
            }
        }
        x += width;
        y += width;
    }
}
