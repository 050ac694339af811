/* What the broadcasting arithmetic of codes shares: the walk, and the clamp to the output's codes. */
#ifndef EK_ARITHMETIC_S8_H
#define EK_ARITHMETIC_S8_H

#include "ek_kernels.h"

/* `expression` of the centred codes u and v gives the result in output steps; q is the parameters. */
#define EK_ARITHMETIC(name, type, expression)                                                                          \
    void name(const ek_arithmetic_params *p, const type *a, const type *b, type *y)                                    \
    {                                                                                                                  \
        const ek_arithmetic_params q = *p; /* stores to y may alias anything behind a pointer */                       \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = q.walk.rank - 1;                                                                          \
        do {                                                                                                           \
            const type *ap = a + ek_row_offset(q.walk.rank, index, q.walk.a);                                          \
            const type *bp = b + ek_row_offset(q.walk.rank, index, q.walk.b);                                          \
            for (int32_t i = 0; i < q.walk.shape[last]; ++i) {                                                         \
                const int32_t u = *ap - q.a_zero;                                                                      \
                const int32_t v = *bp - q.b_zero;                                                                      \
                *y++ = (type)ek_clamp((expression) + q.zero_point, q.low, q.high);                                     \
                ap += q.walk.a[last];                                                                                  \
                bp += q.walk.b[last];                                                                                  \
            }                                                                                                          \
        } while (ek_next_row(q.walk.rank, q.walk.shape, index));                                                       \
    }

#define EK_ARITHMETIC_S8(name, expression) EK_ARITHMETIC(name, int8_t, expression)
#define EK_ARITHMETIC_S16(name, expression) EK_ARITHMETIC(name, int16_t, expression)

/* One operand of a sum: 20 bits up, to the common scale. Codes are at most 255 from the zero point: below 2^30. */
static inline int32_t ek_addend(int32_t x, int32_t multiplier, int32_t shift)
{
    return ek_divide_by_pot(ek_smmulr(x * (1 << 21), multiplier), (uint32_t)shift);
}

/* As above of symmetric int16 codes: 15 bits up. */
static inline int32_t ek_addend_s16(int32_t x, int32_t multiplier, int32_t shift)
{
    return ek_divide_by_pot(ek_doubling_high_mul(x * (1 << 15), multiplier), (uint32_t)shift);
}

#endif
