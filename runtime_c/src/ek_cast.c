#include "ek_elementwise.h"

/* What one number becomes; `limit_<type>` is the first float beyond the type, a power of two. */
#define TO_SIGNED(x, type, low, limit)                                                                                 \
    ((x) != (x) ? 0 : (x) >= (limit) ? (type) ~(low) : (x) < -(limit) ? (low) : (type)(x))
#define TO_UNSIGNED(x, type, limit) ((x) != (x) || (x) < 0 ? 0u : (x) >= (limit) ? (type) ~(type)0 : (type)(x))

#define PLAIN(from, from_type, to, to_type) EK_UNARY_TO(ek_cast_##from##_##to, from_type, to_type, x)
#define TRUTH(from, from_type, to, to_type) EK_UNARY_TO(ek_cast_##from##_##to, from_type, to_type, x != 0)
#define FLOATS_TO_SIGNED(to, type, low, limit)                                                                         \
    EK_UNARY_TO(ek_cast_f32_##to, float, type, TO_SIGNED(x, type, low, limit##f))                                      \
    EK_UNARY_TO(ek_cast_f64_##to, double, type, TO_SIGNED(x, type, low, limit))
#define FLOATS_TO_UNSIGNED(to, type, limit)                                                                            \
    EK_UNARY_TO(ek_cast_f32_##to, float, type, TO_UNSIGNED(x, type, limit##f))                                         \
    EK_UNARY_TO(ek_cast_f64_##to, double, type, TO_UNSIGNED(x, type, limit))

EK_CAST_FROM(PLAIN, f32, float)
EK_CAST_FROM(PLAIN, f64, double)
EK_CAST_FROM(TRUTH, b8, uint8_t)
EK_CAST_INTEGERS(PLAIN, i8, int8_t)
EK_CAST_INTEGERS(PLAIN, i16, int16_t)
EK_CAST_INTEGERS(PLAIN, i32, int32_t)
EK_CAST_INTEGERS(PLAIN, i64, int64_t)
EK_CAST_INTEGERS(PLAIN, u8, uint8_t)
EK_CAST_INTEGERS(PLAIN, u16, uint16_t)
EK_CAST_INTEGERS(PLAIN, u32, uint32_t)
EK_CAST_INTEGERS(PLAIN, u64, uint64_t)
FLOATS_TO_SIGNED(i8, int8_t, INT8_MIN, 128.0)
FLOATS_TO_SIGNED(i16, int16_t, INT16_MIN, 32768.0)
FLOATS_TO_SIGNED(i32, int32_t, INT32_MIN, 2147483648.0)
FLOATS_TO_SIGNED(i64, int64_t, INT64_MIN, 9223372036854775808.0)
FLOATS_TO_UNSIGNED(u8, uint8_t, 256.0)
FLOATS_TO_UNSIGNED(u16, uint16_t, 65536.0)
FLOATS_TO_UNSIGNED(u32, uint32_t, 4294967296.0)
FLOATS_TO_UNSIGNED(u64, uint64_t, 18446744073709551616.0)
