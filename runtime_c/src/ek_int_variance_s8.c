#include "ek_row_statistics.h"
#include "ek_spread.h"

void ek_int_variance_s8(const ek_int_variance_params *p, const int8_t *x, int8_t *y)
{
    const int32_t bits = 31 - p->shift;
    for (int32_t row = 0; row < p->rows; ++row) {
        const ek_spread s = ek_spread_of(x, p->width, p->input_zero, p->centred);
        const int64_t rounded = (s.spread + ((INT64_C(1) << p->down) >> 1)) >> p->down;
        const int64_t code = ((rounded * p->multiplier + (INT64_C(1) << (bits - 1))) >> bits) + p->zero_point;
        y[row] = ek_saturated_8(code);
        x += p->width;
    }
}
