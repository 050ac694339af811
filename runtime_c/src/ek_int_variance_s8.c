#include "ek_requantize.h"
#include "ek_row_statistics.h"

void ek_int_variance_s8(const ek_int_variance_params *p, const int8_t *x, int8_t *y)
{
    const int32_t bits = 31 - p->shift;
    for (int32_t row = 0; row < p->rows; ++row) {
        int32_t total = 0;
        int32_t squares = 0;
        for (int32_t k = 0; k < p->width; ++k) {
            const int32_t code = x[k] - p->input_zero;
            total += code;
            squares += code * code;
        }
        total = p->centred ? total : 0;
        const int64_t spread = (int64_t)p->width * squares - (int64_t)total * total;
        const int64_t rounded = (spread + ((INT64_C(1) << p->down) >> 1)) >> p->down;
        const int64_t code = ((rounded * p->multiplier + (INT64_C(1) << (bits - 1))) >> bits) + p->zero_point;
        y[row] = (int8_t)(code < -128 ? -128 : (code > 127 ? 127 : code));
        x += p->width;
    }
}
