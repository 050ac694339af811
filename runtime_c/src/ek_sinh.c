#include "ek_elementwise.h"

EK_UNARY(ek_sinh_f32, float, ek_sinh(x))
