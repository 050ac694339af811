#include "ek_elementwise.h"

EK_UNARY(ek_gelu_f32, float, 0.5f * x * (1.0f + ek_erf(x * 0.70710678f)))
