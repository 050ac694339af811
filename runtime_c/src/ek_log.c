#include "ek_elementwise.h"

EK_UNARY(ek_log_f32, float, ek_log(x))
