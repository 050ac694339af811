#include "ek_codes.h"

void ek_cum_sum_s8(const ek_cum_sum_s8_params *p, const int8_t *x, int8_t *y)
{
    const ek_cum_sum_s8_params q = *p; /* stores to y may alias anything behind a pointer */
    for (int32_t o = 0; o < q.walk.outer; ++o) {
        for (int32_t i = 0; i < q.walk.inner; ++i) {
            int32_t acc = 0;
            for (int32_t a = 0; a < q.walk.axis; ++a) {
                const int32_t place = q.walk.reverse ? q.walk.axis - 1 - a : a;
                const ptrdiff_t at = ((ptrdiff_t)o * q.walk.axis + place) * q.walk.inner + i;
                const int32_t before = acc;
                acc += x[at] - q.input_zero;
                y[at] =
                    (int8_t)ek_clamp(ek_rescaled(q.walk.exclusive ? before : acc, &q.scale) + q.zero_point, -128, 127);
            }
        }
    }
}
