#include "ek_kernels.h"

/* x / 2^shift, halves away from zero. */
static inline int32_t divide(int32_t x, int32_t shift)
{
    return shift ? (((x + (x >> 31)) >> (shift - 1)) + 1) >> 1 : x;
}

void ek_add_s8(const ek_add_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const ek_add_params q = *p; /* stores to y may alias anything behind a pointer */
    for (int32_t i = 0; i < q.elements; ++i) {
        /* Twice 20 bits of headroom: codes are at most 255 from the zero point, so all stays below 2^30. */
        const int32_t x = ek_smmulr((a[i] - q.a_zero) * (1 << 21), q.a_multiplier);
        const int32_t z = ek_smmulr((b[i] - q.b_zero) * (1 << 21), q.b_multiplier);
        const int32_t sum = divide(x, q.a_shift) + divide(z, q.b_shift);
        const int32_t code = divide(ek_smmulr(2 * sum, q.multiplier), q.shift);
        y[i] = (int8_t)ek_clamp(code + q.zero_point, q.low, q.high);
    }
}
