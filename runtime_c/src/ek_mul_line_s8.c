#include "ek_kernels.h"

/* a * b >> shift of at most 9, b of as many bits and a sign, by the high word of a product or by two small ones. */
static inline int32_t scaled(int32_t a, int32_t b, int32_t shift)
{
#if EK_V6M
    return (a >> 16) * b * (1 << (16 - shift)) + (((a & 0xFFFF) * b) >> shift);
#else
    return ek_smmul(a, b * (1 << (32 - shift)));
#endif
}

void ek_mul_line_s8(const ek_product_line_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const ek_product_line_params q = *p; /* stores to y may alias anything behind a pointer */
    int32_t index[EK_MAX_RANK] = {0};
    const int32_t last = q.walk.rank - 1;
    const int32_t a_step = q.walk.a[last];
    const int32_t b_step = q.walk.b[last];
    do {
        const int8_t *ap = a;
        const int8_t *bp = b;
        for (const int8_t *const end = y + q.walk.shape[last]; y != end; ++y) {
            const int32_t factor = scaled(q.multiplier, *bp, 8) + q.correction;
            const int32_t steps = scaled(factor, *ap - q.a_zero, 9) + q.bias;
            const int32_t result = (steps + (steps < 0 ? 0 : q.step)) >> 16;
            *y = (int8_t)(q.low + ek_clamp(result + q.zero, 0, q.span));
            ap += a_step;
            bp += b_step;
        }
    } while (ek_next_rows(&q.walk, index, &a, &b));
}
