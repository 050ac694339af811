#include "ek_index.h"

#define FLOATS(s, type, unused) EK_ARG(ek_arg_max_##s, type, >, >=, v != v, best != best)
#define INTEGERS(s, type, unused) EK_ARG(ek_arg_max_##s, type, >, >=, 0, 0)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
