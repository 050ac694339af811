#include "ek_elementwise.h"

EK_UNARY(ek_tanh_f32, float, ek_tanh(x))
