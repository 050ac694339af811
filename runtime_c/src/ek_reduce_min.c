#include "ek_reduce.h"

/* The first element starts; nothing at all gives the infinity, or the largest whole number. NaN wins. */
#define FLOATS(s, type, unused)                                                                                        \
    EK_REDUCE(ek_reduce_min_##s, type, type, EK_INF_F32, (count && (acc < v || acc != acc)) ? acc : v, acc)
#define INTEGERS(s, type, high) EK_REDUCE(ek_reduce_min_##s, type, type, high, (count && acc < v) ? acc : v, acc)
#define SIGNED(s, type, u) INTEGERS(s, type, (type)((u) ~(u)0 / 2))
#define UNSIGNED(s, type, u) INTEGERS(s, type, (type) ~(type)0)

EK_FLOAT_TYPES(FLOATS)
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
