#include "ek_norm.h"
#include "ek_norm_root.h"
#include "ek_spread.h"

void ek_norm_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y)
{
    int32_t element = 0;
    for (int32_t row = 0; row < p->rows; ++row) {
        const ek_spread s = ek_spread_of(x, p->width, p->input_zero, p->centred);
        const ek_inverse_root r = ek_reciprocal_root(s.spread, p);
        for (int32_t k = 0; k < p->width; ++k, ++element) {
            const int32_t channel = element / p->repeats % p->channels;
            const int32_t t = p->width * (x[k] - p->input_zero) - s.total;
            const int64_t value = ((int64_t)t * r.inverse + (INT64_C(1) << (r.shift - 1))) >> r.shift;
            const int64_t moved = (int64_t)((uint64_t)(int64_t)offset[channel] << (p->shift - 16));
            const int64_t sum = value * scale[channel] + moved + (INT64_C(1) << (p->shift - 1));
            const int64_t code = (sum >> p->shift) + p->zero_point;
            y[k] = ek_saturated_8(code);
        }
        x += p->width;
        y += p->width;
    }
}
