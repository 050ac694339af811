#include "ek_elementwise.h"

EK_UNARY_2(ek_selu_f32, alpha, gamma, (x <= 0.0f ? ek_expm1(x) * alpha : x) * gamma)
