#include "ek_integer.h"

static int32_t rectified(const ek_int_binary_params *p, int32_t a, int32_t b)
{
    const int32_t y = a >= 0 ? ek_rescaled(a, &p->a) : ek_rescaled(a * b, &p->output);
    return ek_clamp(y + p->zero_point, -128, 127);
}

EK_INT_BINARY(ek_int_prelu_s8, int8_t, int8_t, rectified(&q, u, v))
