#include "ek_elementwise.h"

EK_UNARY(ek_ceil_f32, float, ek_ceil(x))
