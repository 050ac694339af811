#include "ek_elementwise.h"

EK_UNARY_2(ek_shrink_f32, lambd, bias, x < -lambd ? x + bias : (x > lambd ? x - bias : x * 0.0f))
