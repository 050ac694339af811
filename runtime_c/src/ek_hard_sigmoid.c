#include "ek_elementwise.h"

EK_UNARY_2(ek_hard_sigmoid_f32, alpha, beta, ek_between(x *alpha + beta, 0.0f, 1.0f))
