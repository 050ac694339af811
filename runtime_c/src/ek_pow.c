#include "ek_elementwise.h"

/* Whole powers wrap around; negative ones are 0 but for bases 1 and -1. */
static uint64_t power(uint64_t base, uint64_t exponent)
{
    uint64_t y = 1;
    for (; exponent; exponent >>= 1) {
        y = (exponent & 1u) ? y * base : y;
        base *= base;
    }
    return y;
}

static int64_t signed_power(int64_t base, int64_t exponent)
{
    if (exponent >= 0) {
        return (int64_t)power((uint64_t)base, (uint64_t)exponent);
    }
    if (base == 1) {
        return 1;
    }
    return base == -1 ? ((exponent & 1) ? -1 : 1) : 0;
}

#define SIGNED(s, type, wide) EK_BINARY(ek_pow_##s, type, type, signed_power(u, v))
#define UNSIGNED(s, type, wide) EK_BINARY(ek_pow_##s, type, type, power(u, v))

EK_BINARY(ek_pow_f32, float, float, ek_pow(u, v))
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
