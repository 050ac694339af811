#include "ek_elementwise.h"

/* The remainder with the dividend's sign. */
#define SIGNED(s, type, wide) EK_BINARY(ek_fmod_##s, type, type, (v == 0 || v == -1) ? (type)0 : (type)(u % v))
#define UNSIGNED(s, type, wide) EK_BINARY(ek_fmod_##s, type, type, v == 0 ? (type)0 : (type)(u % v))

EK_BINARY(ek_fmod_f32, float, float, ek_fmod(u, v))
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
