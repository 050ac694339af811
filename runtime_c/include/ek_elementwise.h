/* Elementwise kernels on plain numbers. A kernel's name ends in the element type: f32, f64, i8 .. i64, u8 .. u64 (bool
 * is u8); quantized codes have kernels of their own, ending in s8. A file may hold several types of one operator:
 * unused ones are dropped by the linker (-ffunction-sections, --gc-sections). */
#ifndef EK_ELEMENTWISE_H
#define EK_ELEMENTWISE_H

#include <stddef.h>
#include <stdint.h>

#include "ek_math_f32.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EK_MAX_RANK 8

/* A walk over `rank` axes (at least 1): shape of the result and each operand's step per axis, in elements; 0 repeats.
 */
typedef struct {
    int32_t rank;
    int32_t shape[EK_MAX_RANK];
    int32_t a[EK_MAX_RANK];
    int32_t b[EK_MAX_RANK];
} ek_binary_params;

typedef struct {
    int32_t rank;
    int32_t shape[EK_MAX_RANK];
    int32_t a[EK_MAX_RANK];
    int32_t b[EK_MAX_RANK];
    int32_t c[EK_MAX_RANK];
} ek_ternary_params;

/* Advance `index` by one over all axes but the last; 0 at the end. */
static inline int32_t ek_next_row(int32_t rank, const int32_t *shape, int32_t *index)
{
    for (int32_t axis = rank - 2; axis >= 0; --axis) {
        if (++index[axis] < shape[axis]) {
            return 1;
        }
        index[axis] = 0;
    }
    return 0;
}

/* Where an operand's row starts. */
static inline int32_t ek_row_offset(int32_t rank, const int32_t *index, const int32_t *stride)
{
    int32_t offset = 0;
    for (int32_t axis = 0; axis < rank - 1; ++axis) {
        offset += index[axis] * stride[axis];
    }
    return offset;
}

/* To the next row of a walk of int8 codes: 1, or 0 at the end. */
static inline int32_t ek_next_rows(const ek_binary_params *walk, int32_t *index, const int8_t **a, const int8_t **b)
{
    for (int32_t axis = walk->rank - 2; axis >= 0; --axis) {
        *a += walk->a[axis];
        *b += walk->b[axis];
        if (++index[axis] < walk->shape[axis]) {
            return 1;
        }
        *a -= walk->shape[axis] * walk->a[axis];
        *b -= walk->shape[axis] * walk->b[axis];
        index[axis] = 0;
    }
    return 0;
}

static inline float ek_between(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static inline float ek_softplus(float x)
{
    return ek_between(x, 0.0f, EK_INF_F32) + ek_log1p(ek_exp(-ek_fabs(x)));
}

/* Definitions: one operator in one type. y may be x; in EK_BINARY it may be an operand of the result's shape. */
#define EK_UNARY_TO(name, from, to, expression)                                                                        \
    void name(int32_t elements, const from *in, to *y)                                                                 \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            const from x = in[i];                                                                                      \
            y[i] = (to)(expression);                                                                                   \
        }                                                                                                              \
    }

#define EK_UNARY(name, type, expression) EK_UNARY_TO(name, type, type, expression)

#define EK_UNARY_1(name, p, expression)                                                                                \
    void name(int32_t elements, float p, const float *in, float *y)                                                    \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            const float x = in[i];                                                                                     \
            y[i] = (expression);                                                                                       \
        }                                                                                                              \
    }

#define EK_UNARY_2(name, p, q, expression)                                                                             \
    void name(int32_t elements, float p, float q, const float *in, float *y)                                           \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            const float x = in[i];                                                                                     \
            y[i] = (expression);                                                                                       \
        }                                                                                                              \
    }

#define EK_BINARY(name, from, to, expression)                                                                          \
    void name(const ek_binary_params *p, const from *a, const from *b, to *y)                                          \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        const int32_t count = p->shape[last];                                                                          \
        const int32_t step_a = p->a[last];                                                                             \
        const int32_t step_b = p->b[last];                                                                             \
        do {                                                                                                           \
            const from *ap = a + ek_row_offset(p->rank, index, p->a);                                                  \
            const from *bp = b + ek_row_offset(p->rank, index, p->b);                                                  \
            for (int32_t i = 0; i < count; ++i) {                                                                      \
                const from u = *ap;                                                                                    \
                const from v = *bp;                                                                                    \
                *y++ = (to)(expression);                                                                               \
                ap += step_a;                                                                                          \
                bp += step_b;                                                                                          \
            }                                                                                                          \
        } while (ek_next_row(p->rank, p->shape, index));                                                               \
    }

/* As EK_BINARY of codes: `expression` of the centred codes u and v and the parameters q, whose `walk` it follows. */
#define EK_BINARY_OF_CODES(name, params, from, to, expression)                                                         \
    void name(const params *p, const from *a, const from *b, to *y)                                                    \
    {                                                                                                                  \
        const params q = *p; /* stores to y may alias anything behind a pointer */                                     \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = q.walk.rank - 1;                                                                          \
        do {                                                                                                           \
            const from *ap = a + ek_row_offset(q.walk.rank, index, q.walk.a);                                          \
            const from *bp = b + ek_row_offset(q.walk.rank, index, q.walk.b);                                          \
            for (int32_t i = 0; i < q.walk.shape[last]; ++i) {                                                         \
                const int32_t u = *ap - q.a_zero;                                                                      \
                const int32_t v = *bp - q.b_zero;                                                                      \
                *y++ = (to)(expression);                                                                               \
                ap += q.walk.a[last];                                                                                  \
                bp += q.walk.b[last];                                                                                  \
            }                                                                                                          \
        } while (ek_next_row(q.walk.rank, q.walk.shape, index));                                                       \
    }

/* Lists of types, for definitions and declarations alike: X(suffix, type, unsigned type of its size). */
#define EK_SIGNED_TYPES(X)                                                                                             \
    X(i8, int8_t, uint8_t) X(i16, int16_t, uint16_t) X(i32, int32_t, uint32_t) X(i64, int64_t, uint64_t)
#define EK_UNSIGNED_TYPES(X)                                                                                           \
    X(u8, uint8_t, uint8_t) X(u16, uint16_t, uint16_t) X(u32, uint32_t, uint32_t) X(u64, uint64_t, uint64_t)
#define EK_INTEGER_TYPES(X) EK_SIGNED_TYPES(X) EK_UNSIGNED_TYPES(X)
#define EK_FLOAT_TYPES(X) X(f32, float, float) X(f64, double, double)
#define EK_NUMBER_TYPES(X) EK_FLOAT_TYPES(X) EK_INTEGER_TYPES(X)

#define EK_DECLARE_UNARY(op) void ek_##op##_f32(int32_t elements, const float *x, float *y);
#define EK_DECLARE_UNARY_1(op) void ek_##op##_f32(int32_t elements, float p, const float *x, float *y);
#define EK_DECLARE_UNARY_2(op) void ek_##op##_f32(int32_t elements, float p, float q, const float *x, float *y);

#define EK_UNARY_LIST(X)                                                                                               \
    X(relu)                                                                                                            \
    X(relu6)                                                                                                           \
    X(sigmoid)                                                                                                         \
    X(tanh)                                                                                                            \
    X(gelu)                                                                                                            \
    X(gelu_tanh)                                                                                                       \
    X(mish)                                                                                                            \
    X(hard_swish)                                                                                                      \
    X(softplus)                                                                                                        \
    X(softsign)                                                                                                        \
    X(abs)                                                                                                             \
    X(neg)                                                                                                             \
    X(sign)                                                                                                            \
    X(floor)                                                                                                           \
    X(ceil)                                                                                                            \
    X(round)                                                                                                           \
    X(exp)                                                                                                             \
    X(log)                                                                                                             \
    X(sqrt)                                                                                                            \
    X(rsqrt)                                                                                                           \
    X(square)                                                                                                          \
    X(reciprocal) X(erf) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
#define EK_UNARY_1_LIST(X) X(leaky_relu) X(elu) X(celu) X(silu) X(thresholded_relu) X(power)
#define EK_UNARY_2_LIST(X) X(clip) X(selu) X(hard_sigmoid) X(shrink)

EK_UNARY_LIST(EK_DECLARE_UNARY)
EK_UNARY_1_LIST(EK_DECLARE_UNARY_1)
EK_UNARY_2_LIST(EK_DECLARE_UNARY_2)

#define EK_DECLARE_SIGNED(s, type, u)                                                                                  \
    void ek_neg_##s(int32_t elements, const type *x, type *y);                                                         \
    void ek_abs_##s(int32_t elements, const type *x, type *y);                                                         \
    void ek_sign_##s(int32_t elements, const type *x, type *y);
EK_SIGNED_TYPES(EK_DECLARE_SIGNED)

void ek_logical_not_u8(int32_t elements, const uint8_t *x, uint8_t *y);
void ek_is_nan_f32(int32_t elements, const float *x, uint8_t *y);
void ek_is_pos_inf_f32(int32_t elements, const float *x, uint8_t *y);
void ek_is_neg_inf_f32(int32_t elements, const float *x, uint8_t *y);

/* Arithmetic with broadcasting. Whole numbers wrap around; division truncates, by zero it gives 0. */
#define EK_DECLARE_NUMBER_BINARY(s, type, u)                                                                           \
    void ek_add_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_sub_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_mul_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_div_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_min_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_max_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_equal_##s(const ek_binary_params *p, const type *a, const type *b, uint8_t *y);                            \
    void ek_less_##s(const ek_binary_params *p, const type *a, const type *b, uint8_t *y);                             \
    void ek_less_equal_##s(const ek_binary_params *p, const type *a, const type *b, uint8_t *y);
EK_NUMBER_TYPES(EK_DECLARE_NUMBER_BINARY)

/* mod has the divisor's sign, fmod the dividend's. */
#define EK_DECLARE_INTEGER_BINARY(s, type, u)                                                                          \
    void ek_mod_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_fmod_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                \
    void ek_pow_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                                 \
    void ek_bitwise_and_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                         \
    void ek_bitwise_or_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                          \
    void ek_bitwise_xor_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                         \
    void ek_bitwise_not_##s(int32_t elements, const type *x, type *y);                                                 \
    void ek_shift_left_##s(const ek_binary_params *p, const type *a, const type *b, type *y);                          \
    void ek_shift_right_##s(const ek_binary_params *p, const type *a, const type *b, type *y);
EK_INTEGER_TYPES(EK_DECLARE_INTEGER_BINARY)

void ek_mod_f32(const ek_binary_params *p, const float *a, const float *b, float *y);
void ek_fmod_f32(const ek_binary_params *p, const float *a, const float *b, float *y);
void ek_pow_f32(const ek_binary_params *p, const float *a, const float *b, float *y);
void ek_prelu_f32(const ek_binary_params *p, const float *a, const float *b, float *y);
void ek_logical_and_u8(const ek_binary_params *p, const uint8_t *a, const uint8_t *b, uint8_t *y);
void ek_logical_or_u8(const ek_binary_params *p, const uint8_t *a, const uint8_t *b, uint8_t *y);
void ek_logical_xor_u8(const ek_binary_params *p, const uint8_t *a, const uint8_t *b, uint8_t *y);

/* y = a ? b : c, for elements of 1, 2, 4 or 8 bytes. */
void ek_where_8(const ek_ternary_params *p, const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *y);
void ek_where_16(const ek_ternary_params *p, const uint8_t *a, const uint16_t *b, const uint16_t *c, uint16_t *y);
void ek_where_32(const ek_ternary_params *p, const uint8_t *a, const uint32_t *b, const uint32_t *c, uint32_t *y);
void ek_where_64(const ek_ternary_params *p, const uint8_t *a, const uint64_t *b, const uint64_t *c, uint64_t *y);

/* Conversions: ek_cast_<from>_<to>. Floats to integers truncate and saturate, NaN gives 0; integers wrap around;
 * anything but zero is true. */
#define EK_CAST_INTEGERS(X, to, to_type)                                                                               \
    X(i8, int8_t, to, to_type)                                                                                         \
    X(i16, int16_t, to, to_type)                                                                                       \
    X(i32, int32_t, to, to_type)                                                                                       \
    X(i64, int64_t, to, to_type)                                                                                       \
    X(u8, uint8_t, to, to_type)                                                                                        \
    X(u16, uint16_t, to, to_type) X(u32, uint32_t, to, to_type) X(u64, uint64_t, to, to_type)
#define EK_CAST_FROM(X, to, to_type)                                                                                   \
    X(f32, float, to, to_type) X(f64, double, to, to_type) EK_CAST_INTEGERS(X, to, to_type)
#define EK_CAST_PAIRS(X)                                                                                               \
    EK_CAST_FROM(X, f32, float)                                                                                        \
    EK_CAST_FROM(X, f64, double)                                                                                       \
    EK_CAST_FROM(X, i8, int8_t)                                                                                        \
    EK_CAST_FROM(X, i16, int16_t)                                                                                      \
    EK_CAST_FROM(X, i32, int32_t)                                                                                      \
    EK_CAST_FROM(X, i64, int64_t)                                                                                      \
    EK_CAST_FROM(X, u8, uint8_t)                                                                                       \
    EK_CAST_FROM(X, u16, uint16_t)                                                                                     \
    EK_CAST_FROM(X, u32, uint32_t) EK_CAST_FROM(X, u64, uint64_t) EK_CAST_FROM(X, b8, uint8_t)
#define EK_DECLARE_CAST(from, from_type, to, to_type)                                                                  \
    void ek_cast_##from##_##to(int32_t elements, const from_type *x, to_type *y);
EK_CAST_PAIRS(EK_DECLARE_CAST)

#ifdef __cplusplus
}
#endif
#endif
