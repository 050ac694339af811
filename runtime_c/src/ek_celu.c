#include "ek_elementwise.h"

EK_UNARY_1(ek_celu_f32, alpha, x < 0.0f ? ek_expm1(x / alpha) * alpha : x)
