#include "ek_elementwise.h"

EK_UNARY(ek_sqrt_f32, float, ek_sqrt(x))
