#include "ek_reduce.h"

#define FLOATS(s, type, unused) EK_REDUCE(ek_reduce_prod_##s, type, type, 1, acc *v, acc)
#define INTEGERS(s, type, unused) EK_REDUCE(ek_reduce_prod_##s, type, type, 1, (uint64_t)acc *(uint64_t)v, acc)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
