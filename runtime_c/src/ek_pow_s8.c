#include "ek_codes.h"

/* 2^(exponent / 2^16) in whole numbers, halves up; 1024 from 2^10 on, which saturates, 0 below 2^-2. */
static int32_t power_of_two(int64_t exponent, const int32_t *powers)
{
    if (exponent >= 10 * 65536) {
        return 1024;
    }
    if (exponent < -2 * 65536) {
        return 0;
    }
    const int32_t inside = (int32_t)exponent;
    const int32_t *pair = powers + ((inside >> 8) & 255);
    const int32_t value = pair[0] + (((pair[1] - pair[0]) * (inside & 255) + 128) >> 8);
    const int32_t shift = 29 - (inside >> 16);
    return (int32_t)(((uint32_t)value + (UINT32_C(1) << (shift - 1))) >> shift);
}

static int32_t steps_of(const ek_pow_s8_params *p, int32_t u, int32_t v, int32_t logarithm, const int32_t *powers)
{
    if (u == 0 && v != 0) {
        return v > 0 ? 0 : 1024;
    }
    const int64_t product = (int64_t)logarithm * v * p->multiplier;
    return power_of_two(((product + (INT64_C(1) << (p->shift - 1))) >> p->shift) + p->offset, powers);
}

void ek_pow_s8(const ek_pow_s8_params *p, const int8_t *a, const int8_t *b, const int32_t *logarithms,
               const uint8_t *parities, const int32_t *powers, int8_t *y)
{
    const ek_pow_s8_params q = *p; /* stores to y may alias anything behind a pointer */
    int32_t index[EK_MAX_RANK] = {0};
    const int32_t last = q.walk.rank - 1;
    do {
        const int8_t *ap = a + ek_row_offset(q.walk.rank, index, q.walk.a);
        const int8_t *bp = b + ek_row_offset(q.walk.rank, index, q.walk.b);
        for (int32_t i = 0; i < q.walk.shape[last]; ++i) {
            const int32_t u = *ap - q.a_zero;
            int32_t steps = steps_of(&q, u, *bp - q.b_zero, logarithms[*ap + 128], powers);
            if (u < 0) {
                const uint8_t parity = parities[*bp + 128];
                steps = parity == 0 ? steps : (parity == 1 ? -steps : 0);
            }
            *y++ = (int8_t)ek_clamp(steps + q.zero_point, -128, 127);
            ap += q.walk.a[last];
            bp += q.walk.b[last];
        }
    } while (ek_next_row(q.walk.rank, q.walk.shape, index));
}
