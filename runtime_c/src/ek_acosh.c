#include "ek_elementwise.h"

EK_UNARY(ek_acosh_f32, float, ek_acosh(x))
