#include "ek_row_statistics.h"
#include "ek_spread.h"

/* Rows of t, which is width * code + start, times one factor. */
static void scale_row(const ek_int_row_scale_params *p, int32_t times, int32_t start, int32_t factor, const int8_t *x,
                      int8_t *y)
{
    const int32_t bits = factor == INT32_MAX || factor == -INT32_MAX ? 0 : p->shift;
    const int64_t half = (INT64_C(1) << bits) >> 1;
    for (int32_t k = 0; k < p->width; ++k) {
        const int64_t code = (((int64_t)(times * x[k] + start) * factor + half) >> bits) + p->zero_point;
        y[k] = ek_saturated_8(code);
    }
}

void ek_int_row_scale_s8(const ek_int_row_scale_params *p, const int8_t *x, const int8_t *s, const int32_t *factors,
                         int8_t *y)
{
    for (int32_t row = 0; row < p->rows; ++row) {
        int32_t total = 0;
        for (int32_t k = 0; p->centred && k < p->width; ++k) {
            total += x[k];
        }
        /* The zero point of x is in the mean, too. */
        const int32_t factor = factors[s ? s[row] + 128 : 0];
        if (p->centred) {
            scale_row(p, p->width, -total, factor, x, y);
        } else {
            scale_row(p, 1, -p->input_zero, factor, x, y);
        }
        x += p->width;
        y += p->width;
    }
}
