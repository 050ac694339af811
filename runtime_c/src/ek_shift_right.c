#include "ek_elementwise.h"

/* Shifts by a negative number, or by the type's width or more, leave nothing but the sign. */
#define UNSIGNED(s, type, wide) EK_BINARY(ek_shift_right_##s, type, type, v < 8u * sizeof(type) ? (uint64_t)u >> v : 0u)
/* Negative numbers by way of their complement: C leaves it open what shifting them does. */
#define SIGNED(s, type, wide)                                                                                          \
    EK_BINARY(ek_shift_right_##s, type, type,                                                                          \
              (wide)v >= 8u * sizeof(type) ? (u < 0 ? -1 : 0)                                                          \
              : u < 0                      ? ~(~(int64_t)u >> v)                                                       \
                                           : (int64_t)u >> v)

EK_UNSIGNED_TYPES(UNSIGNED)
EK_SIGNED_TYPES(SIGNED)
