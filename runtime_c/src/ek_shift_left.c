#include "ek_elementwise.h"

/* Shifts by the type's width or more give 0. */
#define UNSIGNED(s, type, unused)                                                                                      \
    EK_BINARY(ek_shift_left_##s, type, type, v < 8u * sizeof(type) ? (uint64_t)u << v : 0u)

EK_UNSIGNED_TYPES(UNSIGNED)
