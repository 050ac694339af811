#include "ek_elementwise.h"

EK_UNARY_TO(ek_is_nan_f32, float, uint8_t, x != x)
