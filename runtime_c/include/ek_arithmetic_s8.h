/* What the broadcasting arithmetic of codes shares: the clamp to the output's codes, and the operands of sums. */
#ifndef EK_ARITHMETIC_S8_H
#define EK_ARITHMETIC_S8_H

#include "ek_kernels.h"

/* `expression` of the centred codes u and v gives the result in output steps; q is the parameters. */
#define EK_ARITHMETIC(name, type, expression)                                                                          \
    EK_BINARY_OF_CODES(name, ek_arithmetic_params, type, type, ek_clamp((expression) + q.zero_point, q.low, q.high))

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
