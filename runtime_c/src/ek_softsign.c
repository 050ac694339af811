#include "ek_elementwise.h"

EK_UNARY(ek_softsign_f32, float, x / (1.0f + ek_fabs(x)))
