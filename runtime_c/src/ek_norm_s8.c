#include "ek_norm.h"
#include "ek_norm_root.h"

void ek_norm_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y)
{
    int32_t element = 0;
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
        const ek_inverse_root r = ek_reciprocal_root(spread, p);
        for (int32_t k = 0; k < p->width; ++k, ++element) {
            const int32_t channel = element / p->repeats % p->channels;
            const int32_t t = p->width * (x[k] - p->input_zero) - total;
            const int64_t value = ((int64_t)t * r.inverse + (INT64_C(1) << (r.shift - 1))) >> r.shift;
            const int64_t moved = (int64_t)((uint64_t)(int64_t)offset[channel] << (p->shift - 16));
            const int64_t sum = value * scale[channel] + moved + (INT64_C(1) << (p->shift - 1));
            const int64_t code = (sum >> p->shift) + p->zero_point;
            y[k] = (int8_t)(code < -128 ? -128 : (code > 127 ? 127 : code));
        }
        x += p->width;
        y += p->width;
    }
}
