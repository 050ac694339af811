#include "ek_elementwise.h"

EK_UNARY(ek_cosh_f32, float, ek_cosh(x))
