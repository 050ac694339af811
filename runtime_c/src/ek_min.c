#include "ek_elementwise.h"

/* NaN wins. */
#define FLOATS(s, type, unused) EK_BINARY(ek_min_##s, type, type, (u < v || u != u) ? u : v)
#define INTEGERS(s, type, unused) EK_BINARY(ek_min_##s, type, type, u < v ? u : v)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
