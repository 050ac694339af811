#include "ek_elementwise.h"

EK_UNARY(ek_square_f32, float, x *x)
