/* Kernels whose integer definition is TFLite's own. A name ends in s8 or s16 (codes) or f32. */
#ifndef EK_TFLITE_H
#define EK_TFLITE_H

#include "ek_elementwise.h"
#include "ek_float.h"
#include "ek_reduce.h"
#include "ek_requantize.h"
#include "ek_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x * 2^left * multiplier / 2^31 / 2^right, rounded twice; one of the shifts is 0. The generator proves that x * 2^left
 * fits 32 bits. */
typedef struct {
    int32_t multiplier, left, right;
} ek_rescale;

static inline int32_t ek_rescaled(int32_t x, const ek_rescale *r)
{
    const int32_t high = ek_doubling_high_mul(ek_shift_left(x, (uint32_t)r->left), r->multiplier);
    return ek_divide_by_pot(high, (uint32_t)r->right);
}

/* x * multiplier / 2^shift of a 64-bit x, rounded once, halves up; what leaves 32 bits wraps around. */
static inline int32_t ek_rescaled_64(int64_t x, int32_t multiplier, int32_t shift)
{
    const int64_t rounded = (x * multiplier + (INT64_C(1) << (shift - 1))) >> shift;
    return (int32_t)(uint32_t)(uint64_t)rounded;
}

typedef struct {
    ek_binary_params walk;
    int32_t a_zero, b_zero;
    ek_rescale a, b, output;
    int32_t zero_point;
} ek_tflite_binary_params;

/* Comparisons of codes of two scales, the squared difference, and a < 0 ? a * b : a. */
void ek_tflite_equal_s8(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_tflite_less_s8(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_tflite_less_equal_s8(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_tflite_squared_difference_s8(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_tflite_prelu_s8(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* `expression` of the centred codes u and v and the parameters q. */
#define EK_TFLITE_BINARY(name, to, expression)                                                                         \
    void name(const ek_tflite_binary_params *p, const int8_t *a, const int8_t *b, to *y)                               \
    {                                                                                                                  \
        const ek_tflite_binary_params q = *p; /* stores to y may alias anything behind a pointer */                    \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = q.walk.rank - 1;                                                                          \
        do {                                                                                                           \
            const int8_t *ap = a + ek_row_offset(q.walk.rank, index, q.walk.a);                                        \
            const int8_t *bp = b + ek_row_offset(q.walk.rank, index, q.walk.b);                                        \
            for (int32_t i = 0; i < q.walk.shape[last]; ++i) {                                                         \
                const int32_t u = *ap - q.a_zero;                                                                      \
                const int32_t v = *bp - q.b_zero;                                                                      \
                *y++ = (to)(expression);                                                                               \
                ap += q.walk.a[last];                                                                                  \
                bp += q.walk.b[last];                                                                                  \
            }                                                                                                          \
        } while (ek_next_row(q.walk.rank, q.walk.shape, index));                                                       \
    }

/* Reductions of codes, scaled: sums (and means, with the division folded into the scale), and products that are scaled
 * at every step by `multiplier` (16 bits) / 2^`shift`. */
typedef struct {
    ek_reduce_params walk;
    int32_t input_zero;
    ek_rescale scale;
    int32_t multiplier, shift;
    int32_t zero_point;
} ek_tflite_reduce_params;

void ek_tflite_sum_s8(const ek_tflite_reduce_params *p, const int8_t *x, int8_t *y);
void ek_tflite_sum_s16(const ek_tflite_reduce_params *p, const int16_t *x, int16_t *y);
void ek_tflite_prod_s8(const ek_tflite_reduce_params *p, const int8_t *x, int8_t *y);
void ek_tflite_prod_s16(const ek_tflite_reduce_params *p, const int16_t *x, int16_t *y);

/* `step` of the int32 accumulator `acc` over the centred codes `v` (`first` for the first one), and `finish` from it.
 */
#define EK_TFLITE_REDUCE(name, type, low, high, step, finish)                                                          \
    void name(const ek_tflite_reduce_params *p, const type *x, type *y)                                                \
    {                                                                                                                  \
        const ek_reduce_params *w = &p->walk;                                                                          \
        int32_t outer[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = w->outer_rank - 1;                                                                        \
        const int32_t tail = w->inner_rank - 1;                                                                        \
        do {                                                                                                           \
            for (int32_t i = 0; i < w->outer_shape[last]; ++i) {                                                       \
                const type *base =                                                                                     \
                    x + ek_row_offset(w->outer_rank, outer, w->outer_stride) + (ptrdiff_t)i * w->outer_stride[last];   \
                int32_t inner[EK_MAX_RANK] = {0};                                                                      \
                int32_t first = 1;                                                                                     \
                int32_t acc = 0;                                                                                       \
                do {                                                                                                   \
                    const type *row = base + ek_row_offset(w->inner_rank, inner, w->inner_stride);                     \
                    for (int32_t k = 0; k < w->inner_shape[tail]; ++k, first = 0) {                                    \
                        const int32_t v = row[(ptrdiff_t)k * w->inner_stride[tail]] - p->input_zero;                   \
                        acc = first ? v : (step);                                                                      \
                    }                                                                                                  \
                } while (ek_next_row(w->inner_rank, w->inner_shape, inner));                                           \
                *y++ = (type)ek_clamp((finish) + p->zero_point, low, high);                                            \
            }                                                                                                          \
        } while (ek_next_row(w->outer_rank, w->outer_shape, outer));                                                   \
    }

/* Rows of `width` codes divided by their Euclidean norm, in steps of 1/128. y may be x. */
void ek_tflite_l2_normalization_s8(int32_t rows, int32_t width, int32_t zero_point, const int8_t *x, int8_t *y);

/* Differences of up to 255 codes to a row's largest: as Q5.26 and their exponentials as Q0.31; `back` leads from Q5.26
 * to codes. */
typedef struct {
    int32_t rows, width;
    int32_t least;
    ek_rescale back;
} ek_tflite_log_softmax_params;

/* y may be x. */
void ek_tflite_log_softmax_s8(const ek_tflite_log_softmax_params *p, const int8_t *x, const int32_t *differences,
                              const int32_t *exponentials, int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
