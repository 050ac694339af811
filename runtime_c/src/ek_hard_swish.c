#include "ek_elementwise.h"

EK_UNARY(ek_hard_swish_f32, float, x *ek_between(x * 0.16666667f + 0.5f, 0.0f, 1.0f))
