#include "ek_elementwise.h"

EK_UNARY(ek_reciprocal_f32, float, 1.0f / x)
