#include "ek_elementwise.h"

EK_UNARY(ek_relu_f32, float, x < 0.0f ? 0.0f : x)
