#include "ek_arithmetic_s8.h"

/* Rounded once, half away from zero; a quotient by zero saturates with the dividend's sign. */
static int32_t rescaled(int32_t scale, int32_t a, int32_t b)
{
    const uint32_t dividend = (uint32_t)(a < 0 ? -a : a) * (uint32_t)scale;
    const uint32_t divisor = (uint32_t)(b < 0 ? -b : b) << 15;
    uint32_t magnitude = a ? 1u << 10 : 0u;
    if (divisor) {
        magnitude = (dividend + (divisor >> 1)) / divisor;
    }
    return ((a < 0) != (b < 0)) ? -(int32_t)magnitude : (int32_t)magnitude;
}

EK_ARITHMETIC_S8(ek_div_s8, rescaled(q.multiplier, u, v))
