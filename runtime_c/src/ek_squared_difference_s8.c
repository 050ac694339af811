#include "ek_integer.h"

/* Codes are at most 255 from the zero point, halved by their scale: squares stay below 2^30. */
static int32_t squared(const ek_int_binary_params *p, int32_t a, int32_t b)
{
    const int32_t difference = ek_rescaled(a * 128, &p->a) - ek_rescaled(b * 128, &p->b);
    return ek_clamp(ek_rescaled(difference * difference, &p->output) + p->zero_point, -128, 127);
}

EK_INT_BINARY(ek_squared_difference_s8, int8_t, int8_t, squared(&q, u, v))
