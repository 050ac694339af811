#include "ek_elementwise.h"

EK_UNARY(ek_sin_f32, float, ek_sin(x))
