#include "ek_elementwise.h"

EK_UNARY_TO(ek_is_neg_inf_f32, float, uint8_t, x < -3.4028235e38f)
