#include "ek_elementwise.h"

EK_UNARY(ek_softplus_f32, float, ek_softplus(x))
