#include "ek_elementwise.h"

/* The remainder with the divisor's sign. */
#define SIGNED(s, type, wide)                                                                                          \
    static inline type floored_##s(type u, type v)                                                                     \
    {                                                                                                                  \
        if (v == 0 || v == -1) {                                                                                       \
            return 0;                                                                                                  \
        }                                                                                                              \
        const type r = (type)(u % v);                                                                                  \
        return (type)((r != 0 && (r < 0) != (v < 0)) ? r + v : r);                                                     \
    }                                                                                                                  \
    EK_BINARY(ek_mod_##s, type, type, floored_##s(u, v))
#define UNSIGNED(s, type, wide) EK_BINARY(ek_mod_##s, type, type, v == 0 ? (type)0 : (type)(u % v))

static inline float floored_f32(float u, float v)
{
    const float r = ek_fmod(u, v);
    if (r == 0.0f) {
        return ek_signed_zero(0.0f, v);
    }
    return (r < 0.0f) != (v < 0.0f) ? r + v : r;
}

EK_BINARY(ek_mod_f32, float, float, floored_f32(u, v))
EK_SIGNED_TYPES(SIGNED)
EK_UNSIGNED_TYPES(UNSIGNED)
