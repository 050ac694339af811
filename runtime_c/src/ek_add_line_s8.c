#include "ek_kernels.h"

void ek_add_line_s8(const ek_line_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const ek_line_params q = *p; /* stores to y may alias anything behind a pointer */
    int32_t index[EK_MAX_RANK] = {0};
    const int32_t last = q.walk.rank - 1;
    const int32_t a_step = q.walk.a[last];
    const int32_t b_step = q.walk.b[last];
    do {
        const int8_t *ap = a;
        const int8_t *bp = b;
        for (const int8_t *const end = y + q.walk.shape[last]; y != end; ++y) {
            const int32_t sum = (q.a_multiplier * *ap + q.bias + q.b_multiplier * *bp) >> q.shift;
            *y = (int8_t)(q.low + ek_clamp(sum, 0, q.span));
            ap += a_step;
            bp += b_step;
        }
    } while (ek_next_rows(&q.walk, index, &a, &b));
}
