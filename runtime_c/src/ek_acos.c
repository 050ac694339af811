#include "ek_elementwise.h"

EK_UNARY(ek_acos_f32, float, ek_acos(x))
