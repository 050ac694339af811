#include "ek_reduce.h"

/* The first element starts; nothing at all gives the infinity, or the smallest whole number. NaN wins. */
#define FLOATS(s, type, unused)                                                                                        \
    EK_REDUCE(ek_reduce_max_##s, type, type, -EK_INF_F32, (count && (acc > v || acc != acc)) ? acc : v, acc)
#define INTEGERS(s, type, low) EK_REDUCE(ek_reduce_max_##s, type, type, low, (count && acc > v) ? acc : v, acc)
#define SIGNED(s, type, u) INTEGERS(s, type, (type)(-(type)((u) ~(u)0 / 2) - 1))
#define UNSIGNED(s, type, u) INTEGERS(s, type, 0)

EK_FLOAT_TYPES(FLOATS)
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
