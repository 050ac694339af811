#include "ek_elementwise.h"

/* The smallest number divided by -1 wraps around to itself. */
#define FLOATS(s, type, unused) EK_BINARY(ek_div_##s, type, type, u / v)
#define SIGNED(s, type, wide)                                                                                          \
    EK_BINARY(ek_div_##s, type, type, v == 0 ? (type)0 : (v == -1 ? (type)(UINT64_C(0) - (uint64_t)u) : (type)(u / v)))
#define UNSIGNED(s, type, wide) EK_BINARY(ek_div_##s, type, type, v == 0 ? (type)0 : (type)(u / v))

EK_FLOAT_TYPES(FLOATS)
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
