#include "ek_elementwise.h"

EK_UNARY(ek_asinh_f32, float, ek_asinh(x))
