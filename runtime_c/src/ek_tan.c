#include "ek_elementwise.h"

EK_UNARY(ek_tan_f32, float, ek_tan(x))
