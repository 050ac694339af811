#include "ek_elementwise.h"

EK_UNARY(ek_erf_f32, float, ek_erf(x))
