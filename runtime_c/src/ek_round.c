#include "ek_elementwise.h"

EK_UNARY(ek_round_f32, float, ek_round_half_even(x))
