#include "ek_elementwise.h"

EK_UNARY(ek_relu6_f32, float, x < 0.0f ? 0.0f : (x > 6.0f ? 6.0f : x))
