#include "ek_elementwise.h"

EK_UNARY(ek_floor_f32, float, ek_floor(x))
