#include "ek_elementwise.h"

/* Shifts by a negative number, or by the type's width or more, give 0. */
#define SHIFT(s, type, wide)                                                                                           \
    EK_BINARY(ek_shift_left_##s, type, type, (wide)v < 8u * sizeof(type) ? (type)((uint64_t)u << v) : (type)0)

EK_INTEGER_TYPES(SHIFT)
