#include "ek_elementwise.h"

#define INTEGERS(s, type, unused) EK_BINARY(ek_bitwise_and_##s, type, type, u &v)

EK_INTEGER_TYPES(INTEGERS)
