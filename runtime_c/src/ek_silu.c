#include "ek_elementwise.h"

EK_UNARY_1(ek_silu_f32, alpha, x *ek_sigmoid(x *alpha))
