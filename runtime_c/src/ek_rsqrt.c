#include "ek_elementwise.h"

EK_UNARY(ek_rsqrt_f32, float, 1.0f / ek_sqrt(x))
