#include "ek_elementwise.h"

/* The smallest integer stays, without overflow. */
#define SIGNED(s, type, wide) EK_UNARY(ek_abs_##s, type, x < 0 ? UINT64_C(0) - (uint64_t)x : (uint64_t)x)

EK_UNARY(ek_abs_f32, float, ek_fabs(x))
EK_SIGNED_TYPES(SIGNED)
