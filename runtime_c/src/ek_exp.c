#include "ek_elementwise.h"

EK_UNARY(ek_exp_f32, float, ek_exp(x))
