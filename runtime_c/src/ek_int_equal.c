#include "ek_integer.h"

EK_INT_BINARY(ek_int_equal_s8, int8_t, uint8_t, ek_rescaled(u * 256, &q.a) == ek_rescaled(v * 256, &q.b))
EK_INT_BINARY(ek_int_equal_s16, int16_t, uint8_t, ek_rescaled(u * 256, &q.a) == ek_rescaled(v * 256, &q.b))
