#include "ek_elementwise.h"

#define INTEGERS(s, type, unused) EK_UNARY(ek_bitwise_not_##s, type, ~x)

EK_INTEGER_TYPES(INTEGERS)
