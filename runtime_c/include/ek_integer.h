/* Kernels on codes of scales of their own, by TFLite's definition. A name ends in s8 or s16 (codes) or f32. */
#ifndef EK_INTEGER_H
#define EK_INTEGER_H

#include "ek_elementwise.h"
#include "ek_float.h"
#include "ek_reduce.h"
#include "ek_requantize.h"
#include "ek_tiling.h"
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
} ek_int_binary_params;

/* Comparisons of codes of two scales (s16: less and less_equal of codes of one scale), the squared difference, a < 0 ?
 * a * b : a, and the quotient. */
void ek_int_equal_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_int_less_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_int_less_equal_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, uint8_t *y);
void ek_int_equal_s16(const ek_int_binary_params *p, const int16_t *a, const int16_t *b, uint8_t *y);
void ek_int_less_s16(const ek_int_binary_params *p, const int16_t *a, const int16_t *b, uint8_t *y);
void ek_int_less_equal_s16(const ek_int_binary_params *p, const int16_t *a, const int16_t *b, uint8_t *y);
void ek_squared_difference_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_int_prelu_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_int_div_s8(const ek_int_binary_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* `expression` of the centred codes u and v and the parameters q. */
#define EK_INT_BINARY(name, from, to, expression) EK_BINARY_OF_CODES(name, ek_int_binary_params, from, to, expression)

/* Reductions of codes, scaled: sums (and means, with the division folded into the scale), and products that are scaled
 * at every step by `multiplier` (16 bits) / 2^`shift`. */
typedef struct {
    ek_reduce_params walk;
    int32_t input_zero;
    ek_rescale scale;
    int32_t multiplier, shift;
    int32_t zero_point;
} ek_int_reduce_params;

void ek_int_reduce_sum_s8(const ek_int_reduce_params *p, const int8_t *x, int8_t *y);
void ek_int_reduce_sum_s16(const ek_int_reduce_params *p, const int16_t *x, int16_t *y);
void ek_int_reduce_prod_s8(const ek_int_reduce_params *p, const int8_t *x, int8_t *y);
void ek_int_reduce_prod_s16(const ek_int_reduce_params *p, const int16_t *x, int16_t *y);

/* `step` of the int32 accumulator `acc` over the centred codes `v` (`first` for the first one), and `finish` from it.
 */
#define EK_INT_REDUCE(name, type, low, high, step, finish)                                                             \
    void name(const ek_int_reduce_params *p, const type *x, type *y)                                                   \
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
void ek_l2_normalization_s8(int32_t rows, int32_t width, int32_t zero_point, const int8_t *x, int8_t *y);

/* Differences of up to 255 codes to a row's largest: as Q5.26 and their exponentials as Q0.31; `back` leads from Q5.26
 * to codes. */
typedef struct {
    int32_t rows, width;
    int32_t least;
    ek_rescale back;
} ek_int_log_softmax_params;

/* y may be x. */
void ek_int_log_softmax_s8(const ek_int_log_softmax_params *p, const int8_t *x, const int32_t *differences,
                           const int32_t *exponentials, int8_t *y);

/* Products of symmetric int16 activations and int8 weights, in 64-bit accumulators. One output channel: */
typedef struct {
    int64_t bias;
    int32_t multiplier;
    int32_t shift;
} ek_channel_64;

/* x * multiplier / 2^shift, rounded once, halves up, of x within 47 bits and a shift of 17 at least; in two halves,
 * because the product has more than 64 bits. */
static inline int64_t ek_rescaled_wide(int64_t x, int32_t multiplier, int32_t shift)
{
    const int64_t high = (x >> 16) * multiplier + (((x & 0xFFFF) * multiplier) >> 16);
    return (high + (INT64_C(1) << (shift - 17))) >> (shift - 16);
}

/* x * multiplier / 2^shift, multiplier within 16 bits, to int16 codes. */
static inline int16_t ek_to_s16(int64_t scaled, int32_t low, int32_t high)
{
    return (int16_t)(scaled < low ? low : (scaled > high ? high : scaled));
}

static inline int64_t ek_rescaled_half(int64_t x, const ek_channel_64 *channel)
{
    return (x * channel->multiplier + (INT64_C(1) << (channel->shift - 1))) >> channel->shift;
}

typedef struct {
    ek_window window;
    int32_t groups;
    int32_t low, high;
} ek_conv_s16_params;

/* Multipliers of 16 bits. Weights [O,KH,KW,I/groups]; depthwise [KH,KW,C*M]. */
void ek_conv2d_s16(const ek_conv_s16_params *p, const int16_t *x, const int8_t *w, const ek_channel_64 *channels,
                   int16_t *y);
void ek_depthwise_conv2d_s16(const ek_conv_s16_params *p, const int16_t *x, const int8_t *w,
                             const ek_channel_64 *channels, int16_t *y);

typedef struct {
    int32_t rows, inputs, outputs;
    int32_t low, high;
} ek_fully_connected_s16_params;

/* Multipliers of 31 bits. Weights [O,I]. */
void ek_fully_connected_s16(const ek_fully_connected_s16_params *p, const int16_t *x, const int8_t *w,
                            const ek_channel_64 *channels, int16_t *y);

/* Transposed convolutions of one image (f32: of a batch); weights [O,KH,KW,I]. pad_top and pad_left are the rows and
 * columns of the full result that are cut off. */
typedef struct {
    ek_window window;
    int32_t input_zero, weight_zero;
    ek_output out;
} ek_transpose_conv2d_params;

void ek_transpose_conv2d_s8(const ek_transpose_conv2d_params *p, const int8_t *x, const int8_t *w,
                            const ek_channel *channels, int8_t *y);
void ek_transpose_conv2d_s16(const ek_conv_s16_params *p, const int16_t *x, const int8_t *w,
                             const ek_channel_64 *channels, int16_t *y);
void ek_transpose_conv2d_f32(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y);

/* Batches of products [M,K] x [K,N] of codes; s16 by multiplier / 2^shift (16 bits), s8 by `scale`: `twice` where left
 * is 0, right from 1 to 21 and twice the accumulators fit 32 bits. Rows of the result are y_row codes apart. Scratch of
 * s8, 4-byte aligned: a word for each row of a, and two columns of b and two rows of a where their codes are no
 * neighbours. */
typedef struct {
    ek_matmul_params walk;
    int32_t y_row;
    int32_t a_zero, b_zero;
    ek_rescale scale;
    int32_t multiplier, shift;
    int32_t zero_point;
} ek_int_matmul_params;

void ek_int_matmul_s8_any(const ek_int_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);
void ek_int_matmul_s8_twice(const ek_int_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch);
void ek_int_matmul_s16(const ek_int_matmul_params *p, const int16_t *a, const int16_t *b, int16_t *y);

/* ek_int_matmul_s8 on DSP cores, where twice the accumulators fit 32 bits. Scratch as of ek_conv2d_s8_dsp. */
void ek_int_matmul_s8_dsp_twice(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                                int8_t *y, void *scratch);
void ek_int_matmul_s8_dsp_any(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                              int8_t *y, void *scratch);

/* The same of a matrix a of codes of a grid (ek_levels.h), whose rows are neighbouring codes. */
void ek_int_matmul_s8_dsp_levels_twice(const ek_int_matmul_params *p, const ek_tiling *t, const int16_t *levels,
                                       const int8_t *a, const int8_t *b, int8_t *y, void *scratch);
void ek_int_matmul_s8_dsp_levels_any(const ek_int_matmul_params *p, const ek_tiling *t, const int16_t *levels,
                                     const int8_t *a, const int8_t *b, int8_t *y, void *scratch);

/* Row by row, a with any strides. Scratch, 2-byte aligned: a row of levels. */
void ek_int_matmul_levels(const ek_int_matmul_params *p, const int16_t *levels, const int8_t *a, const int8_t *b,
                          int8_t *y, void *scratch);

/* ek_int_matmul_s8 on vectors of 128 bit, where left is 0 and right from 1 to 31: `fours` fours of columns at a time.
 * Scratch, 4-byte aligned: their table (ek_dots.h) and two rows of a, each rounded up to sixteen codes. */
void ek_int_matmul_s8_mve(const ek_int_matmul_params *p, int32_t fours, const int8_t *a, const int8_t *b, int8_t *y,
                          void *scratch);

/* Bilinear interpolation. `rows` and `columns` hold per output row or column both neighbours; fractions lie between
 * them (codes: in steps of 1/1024, the third number of each entry). */
typedef struct {
    int32_t batch, in_h, in_w, channels;
    int32_t out_h, out_w;
} ek_resize_bilinear_params;

void ek_resize_bilinear_s8(const ek_resize_bilinear_params *p, const int8_t *x, const int32_t *rows,
                           const int32_t *columns, int8_t *y);
void ek_resize_bilinear_s16(const ek_resize_bilinear_params *p, const int16_t *x, const int32_t *rows,
                            const int32_t *columns, int16_t *y);
void ek_resize_bilinear_f32(const ek_resize_bilinear_params *p, const float *x, const int32_t *rows,
                            const float *row_fractions, const int32_t *columns, const float *column_fractions,
                            float *y);

/* Codes to codes of another scale. y may be x where the types are the same. */
typedef struct {
    int32_t input_zero;
    ek_rescale scale;
    int32_t zero_point;
} ek_requantize_params;

void ek_requantize_s8_s16(int32_t elements, const ek_requantize_params *p, const int8_t *x, int16_t *y);
void ek_requantize_s16_s8(int32_t elements, const ek_requantize_params *p, const int16_t *x, int8_t *y);
void ek_requantize_s16_s16(int32_t elements, const ek_requantize_params *p, const int16_t *x, int16_t *y);

/* Sigmoid and tanh of int16 codes by interpolation in 256 entries of the sigmoid; multiplier / 2^shift leads to steps
 * of the table. y may be x. */
typedef struct {
    int32_t multiplier, shift;
} ek_lookup_params;

static inline int32_t ek_table_steps(const ek_lookup_params *p, int32_t x)
{
    return (x * p->multiplier + (p->shift ? 1 << (p->shift - 1) : 0)) >> p->shift;
}

void ek_sigmoid_s16(int32_t elements, const ek_lookup_params *p, const int16_t *x, const uint16_t *table, int16_t *y);
void ek_tanh_s16(int32_t elements, const ek_lookup_params *p, const int16_t *x, const uint16_t *table, int16_t *y);

/* Both sides of zero rescaled, then clamped. y may be x. */
typedef struct {
    ek_rescale positive, negative;
    int32_t low, high;
} ek_rectify_params;

void ek_rectify_s16(int32_t elements, const ek_rectify_params *p, const int16_t *x, int16_t *y);

/* Rows of `width` codes; `scale` brings differences to steps of 10/65535. The tables have 513 entries: exp over
 * [-10, 0] and 1 / (1 + x) over [0, 1]. y may be x. */
void ek_softmax_s16(int32_t rows, int32_t width, const ek_rescale *scale, const int16_t *x, const int16_t *exponentials,
                    const int16_t *reciprocals, int16_t *y);

#ifdef __cplusplus
}
#endif
#endif
