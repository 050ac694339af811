#include "ek_elementwise.h"

EK_UNARY_TO(ek_logical_not_u8, uint8_t, uint8_t, !x)
