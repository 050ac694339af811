#include "ek_elementwise.h"

EK_UNARY_1(ek_power_f32, exponent, ek_pow(x, exponent))
