#include "ek_elementwise.h"

#define NUMBERS(s, type, unused) EK_BINARY(ek_less_##s, type, uint8_t, u < v)

EK_NUMBER_TYPES(NUMBERS)
