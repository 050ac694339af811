#include "ek_elementwise.h"

/* Unsigned arithmetic of full width: whole numbers wrap around without undefined overflow. */
#define FLOATS(s, type, unused) EK_BINARY(ek_sub_##s, type, type, u - v)
#define INTEGERS(s, type, unused) EK_BINARY(ek_sub_##s, type, type, (uint64_t)u - (uint64_t)v)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
