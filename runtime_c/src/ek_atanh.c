#include "ek_elementwise.h"

EK_UNARY(ek_atanh_f32, float, ek_atanh(x))
