#include "ek_reduce.h"

/* The first element starts; nothing at all gives the infinity (floats) or 0. NaN wins. */
#define FLOATS(s, type, unused)                                                                                        \
    EK_REDUCE(ek_reduce_max_##s, type, type, -EK_INF_F32, (count && (acc > v || acc != acc)) ? acc : v, acc)
#define INTEGERS(s, type, unused) EK_REDUCE(ek_reduce_max_##s, type, type, 0, (count && acc > v) ? acc : v, acc)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
