#include "ek_elementwise.h"

EK_UNARY_1(ek_leaky_relu_f32, alpha, x < 0.0f ? x * alpha : x)
