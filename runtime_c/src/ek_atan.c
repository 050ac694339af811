#include "ek_elementwise.h"

EK_UNARY(ek_atan_f32, float, ek_atan(x))
