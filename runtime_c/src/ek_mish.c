#include "ek_elementwise.h"

EK_UNARY(ek_mish_f32, float, x *ek_tanh(ek_softplus(x)))
