#include "ek_elementwise.h"

EK_UNARY(ek_cos_f32, float, ek_cos(x))
