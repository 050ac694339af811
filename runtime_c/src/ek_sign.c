#include "ek_elementwise.h"

#define SIGNED(s, type, wide) EK_UNARY(ek_sign_##s, type, (x > 0) - (x < 0))

EK_UNARY(ek_sign_f32, float, x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x))
EK_SIGNED_TYPES(SIGNED)
