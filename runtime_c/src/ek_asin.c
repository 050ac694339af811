#include "ek_elementwise.h"

EK_UNARY(ek_asin_f32, float, ek_asin(x))
