#include "ek_elementwise.h"

EK_BINARY(ek_logical_and_u8, uint8_t, uint8_t, (u != 0) & (v != 0))
