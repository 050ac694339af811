#include "ek_elementwise.h"

/* The smallest integer is its own negative, without overflow. */
#define SIGNED(s, type, wide) EK_UNARY(ek_neg_##s, type, UINT64_C(0) - (uint64_t)x)

EK_UNARY(ek_neg_f32, float, -x)
EK_SIGNED_TYPES(SIGNED)
