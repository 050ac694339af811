/* The operator library. One kernel per file, file name = function name. Argument order: parameters, inputs, constants,
 * output, scratch. Activations are int8 codes in NHWC; kernels keep no state and allocate nothing. */
#ifndef EK_KERNELS_H
#define EK_KERNELS_H

#include "ek_codes.h"
#include "ek_coding.h"
#include "ek_elementwise.h"
#include "ek_float.h"
#include "ek_index.h"
#include "ek_integer.h"
#include "ek_integer_recurrent.h"
#include "ek_lanes.h"
#include "ek_movement.h"
#include "ek_norm.h"
#include "ek_recurrent.h"
#include "ek_reduce.h"
#include "ek_requantize.h"
#include "ek_row_statistics.h"
#include "ek_spatial.h"
#include "ek_tiling.h"
#include "ek_window.h"

/* One function per layer stays visible to profilers and emulators. */
#ifndef EK_NOINLINE
#if defined(__clang__)
#define EK_NOINLINE __attribute__((noinline))
#else
#define EK_NOINLINE __attribute__((noipa)) /* also keeps gcc from renaming it */
#endif
#endif

/* Where weights go: any section the linker script places in memory-mapped flash; the far ones off the chip, where not
 * all fit on it. Kernels read them by words. */
#ifndef EK_WEIGHTS
#if defined(__arm__) && !defined(ARDUINO) && !defined(__ZEPHYR__) /* their linker scripts do not know the sections */
#define EK_WEIGHTS __attribute__((aligned(4), section(".edgekit_weights")))
#define EK_WEIGHTS_FAR __attribute__((aligned(4), section(".edgekit_weights_ext")))
#else
#define EK_WEIGHTS __attribute__((aligned(4)))
#define EK_WEIGHTS_FAR EK_WEIGHTS
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    ek_window window;
    int32_t input_zero;
    int32_t weight_zero;
    int32_t groups; /* of input and output channels; 1 but for ek_conv2d_s8_* */
    ek_output out;
} ek_conv_params;

/* Weights [O,KH,KW,I/groups]; biases as of ek_rows.h, one or two roundings as ek_requantize.h limits them, or any.
 * Scratch: a window of a group's channels, with `pairs` two; none for kernels of one pixel whose windows lie inside the
 * input. */
void ek_conv2d_s8_once(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,
                       const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_twice(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_any(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,
                      const ek_channel *channels, int8_t *y, void *scratch);

/* Weights in pairs of output channels: words of four inputs, alternating between the two channels, rows padded with
 * zeros to a multiple of four and channels to a multiple of two. Scratch, 4-byte aligned: the columns of a group and a
 * tile (ek_columns.h), then one row of bytes where in_c is no multiple of four. One or two roundings as ek_columns.h
 * limits them, or any; two pixels at a time, or four by a loop of ek_fours.h. */
void ek_conv2d_s8_dsp_once(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                           const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_once_grouped(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                                   const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_once_beside(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                                  const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_twice(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                            const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_twice_grouped(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                                    const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_twice_beside(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                                   const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_any(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                          const ek_channel *channels, int8_t *y, void *scratch);

/* Vectors of 128 bit: table of weights and channels as in ek_dots.h; weights have no zero point. Scratch, 4-byte
 * aligned: two windows, each rounded up to sixteen codes. One or two roundings as ek_dots.h limits them. */
void ek_conv2d_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch);
void ek_conv2d_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch);

/* The same of coded weights in pairs (ek_coding.h), one group, weights without a zero point. How many pairs of channels
 * are decoded at a time, and how many windows are gathered, where they are. Scratch: an ek_channel and a row of int8
 * weights for each channel of those pairs, then the windows. */
typedef struct {
    int32_t pairs, windows;
} ek_coded_tile;

void ek_conv2d_coded_once(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                          const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_twice(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                           const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_any(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                         const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* The same of a 1x1 convolution at stride 1 without padding, whose input is codes of a grid (ek_levels.h). */
void ek_conv2d_s8_dsp_levels_once(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *x,
                                  const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_levels_once_grouped(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels,
                                          const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y,
                                          void *scratch);
void ek_conv2d_s8_dsp_levels_once_beside(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels,
                                         const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y,
                                         void *scratch);
void ek_conv2d_s8_dsp_levels_any(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *x,
                                 const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

/* As ek_conv2d_s8_dsp_*, of coded weights in pairs. Scratch: the table of ek_coded_lanes.h, then theirs. Records of
 * channels are wide for any rounding. */
void ek_conv2d_coded_dsp_once(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_once_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                      const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                      void *scratch);
void ek_conv2d_coded_dsp_once_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                     const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                     void *scratch);
void ek_conv2d_coded_dsp_twice(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                               const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_twice_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                       const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                       void *scratch);
void ek_conv2d_coded_dsp_twice_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                      const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                      void *scratch);
void ek_conv2d_coded_dsp_any(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                             const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* The same of coded weights. */
void ek_conv2d_coded_dsp_levels_once(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                     const int16_t *levels, const int8_t *x, const uint8_t *w, const uint32_t *channels,
                                     int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_once_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                             const int16_t *levels, const int8_t *x, const uint8_t *w,
                                             const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_once_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                            const int16_t *levels, const int8_t *x, const uint8_t *w,
                                            const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_any(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                    const int16_t *levels, const int8_t *x, const uint8_t *w, const uint32_t *channels,
                                    int8_t *y, void *scratch);

/* As ek_conv2d_s8_mve_*, of coded weights (ek_coded_dots.h), of which `fours` times four channels are decoded at a
 * time. Scratch: their table, then two windows. */
void ek_conv2d_coded_mve_once(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_mve_twice(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                               const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* For layers whose kernels read int8 weights: a number of coded weights in their order. */
void ek_decode_weights(const ek_coding *coding, int32_t count, const uint8_t *w, int8_t *to);

/* And their channels, each of `taps` weights: from weight to weight of a channel, and from channel to channel, are so
 * many. The input's zero point times the sum of its weights is taken off a bias. */
typedef struct {
    int32_t channels, taps, places;
    int32_t channel_step, tap_step;
    int32_t input_zero;
} ek_decode_params;

void ek_decode_channels(const ek_coding *coding, const ek_decode_params *p, const int8_t *weights,
                        const uint32_t *channels, ek_channel *to);

/* The table of ek_strips.h: per channel `taps` codes, those of one place, which is one of `places`. */
void ek_decode_strips(const ek_coding *coding, const ek_decode_params *p, const uint8_t *w, const uint32_t *channels,
                      int32_t *table);

/* Weights [KH,KW,C*M]; out_c = in_c * M. */
void ek_depthwise_conv2d_s8(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                            int8_t *y);

/* The same with M = 1, no zero point of the weights, biases as of ek_rows.h, and roundings as above. Scratch, aligned
 * as pointers are: two pointers for each tap and two more, and in_c codes. */
void ek_depthwise_taps_s8_once(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                               int8_t *y, void *scratch);
void ek_depthwise_taps_s8_twice(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                                int8_t *y, void *scratch);
void ek_depthwise_taps_s8_any(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                              int8_t *y, void *scratch);

/* As ek_depthwise_conv2d_s8 with M = 1. */
void ek_depthwise_conv2d_s8_dsp(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                                int8_t *y);

/* 3x3 kernels, no dilation, four channels or more; weights [3,3,C]. Along lines, which are rows or, `turned`, columns
 * of the image, the stride is 1 or 2. One or two roundings as ek_columns.h limits them. Scratch: four planes of `band`
 * lines of output, see ek_planes.h. */
void ek_depthwise_3x3_s8_dsp_once(const ek_conv_params *p, int32_t turned, int32_t band, const int8_t *x,
                                  const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);
void ek_depthwise_3x3_s8_dsp_twice(const ek_conv_params *p, int32_t turned, int32_t band, const int8_t *x,
                                   const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

/* The same of 5x5 kernels. */
void ek_depthwise_5x5_s8_dsp_once(const ek_conv_params *p, int32_t turned, int32_t band, const int8_t *x,
                                  const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);
void ek_depthwise_5x5_s8_dsp_twice(const ek_conv_params *p, int32_t turned, int32_t band, const int8_t *x,
                                   const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

/* 3x3 and 5x5 kernels on vectors of 128 bit: no dilation, no zero point of the weights, a multiple of four channels,
 * and outputs of at least one band and block; strides, bands, blocks and table as in ek_strips.h (apart: stride 2). x
 * and scratch 4-byte aligned. Scratch: two strips for each of the four channels. */
void ek_depthwise_3x3_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                  void *scratch);
void ek_depthwise_3x3_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                   void *scratch);
void ek_depthwise_3x3_s8_mve_apart_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                        void *scratch);
void ek_depthwise_3x3_s8_mve_apart_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                         void *scratch);
void ek_depthwise_5x5_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                  void *scratch);
void ek_depthwise_5x5_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                   void *scratch);
void ek_depthwise_5x5_s8_mve_apart_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                        void *scratch);
void ek_depthwise_5x5_s8_mve_apart_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                         void *scratch);

typedef struct {
    int32_t rows, inputs, outputs;
    int32_t input_zero;
    int32_t weight_zero;
    ek_output out;
} ek_fully_connected_params;

/* Weights [O,I]; biases as of ek_rows.h. One or two roundings as ek_requantize.h limits them, or any. */
void ek_fully_connected_s8_once(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                                const ek_channel *channels, int8_t *y);
void ek_fully_connected_s8_twice(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                                 const ek_channel *channels, int8_t *y);
void ek_fully_connected_s8_any(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                               const ek_channel *channels, int8_t *y);

/* Weights in fours of outputs: words of four inputs, alternating between the four outputs, padded with zeros.
 * Scratch: one row of 16-bit inputs padded to four; 4-byte aligned. */
void ek_fully_connected_s8_dsp(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                               const ek_channel *channels, int8_t *y, void *scratch);

/* x as codes of a grid (ek_levels.h); weights [O,I] and biases as they are. Scratch, 2-byte aligned: a row of levels.
 */
void ek_fully_connected_levels(const ek_fully_connected_params *p, const int16_t *levels, const int8_t *x,
                               const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

/* One row, of coded weights in pairs. Scratch: the table of ek_coded_lanes.h, then as above. */
void ek_fully_connected_coded_dsp(const ek_fully_connected_params *p, const ek_coding *coding, const int8_t *x,
                                  const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* Vectors of 128 bit, a multiple of sixteen inputs: table of weights and channels as in ek_dots.h, which limits the
 * roundings; x is 4-byte aligned. */
void ek_fully_connected_s8_mve_once(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                    int8_t *y);
void ek_fully_connected_s8_mve_twice(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                     int8_t *y);

/* The same of a single row. */
void ek_fully_connected_s8_mve_single_once(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                           int8_t *y);
void ek_fully_connected_s8_mve_single_twice(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                            int8_t *y);

/* The same of coded weights (ek_coded_dots.h), of which `fours` times four channels are decoded at a time. Scratch:
 * their table. */
void ek_fully_connected_coded_mve_once(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding,
                                       const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                       void *scratch);
void ek_fully_connected_coded_mve_twice(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding,
                                        const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                        void *scratch);
void ek_fully_connected_coded_mve_single_once(const ek_fully_connected_params *p, int32_t fours,
                                              const ek_coding *coding, const int8_t *x, const uint8_t *w,
                                              const uint32_t *channels, int8_t *y, void *scratch);
void ek_fully_connected_coded_mve_single_twice(const ek_fully_connected_params *p, int32_t fours,
                                               const ek_coding *coding, const int8_t *x, const uint8_t *w,
                                               const uint32_t *channels, int8_t *y, void *scratch);

/* Sums, differences, products and quotients with broadcasting. mul has (multiplier, shift) alone, shift to the left
 * where negative; div has the scale in units of 2^-15 as multiplier. */
typedef struct {
    ek_binary_params walk;
    int32_t a_zero, a_multiplier, a_shift;
    int32_t b_zero, b_multiplier, b_shift;
    int32_t multiplier, shift;
    int32_t zero_point, low, high;
} ek_arithmetic_params;

void ek_add_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_sub_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_mul_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_div_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* Sums and differences as a line, proven for all pairs of codes when the constants are generated:
 * a_multiplier * a + b_multiplier * b + bias, shifted right and clamped to [0, span], counts from `low`. */
typedef struct {
    ek_binary_params walk;
    int32_t a_multiplier, b_multiplier, bias, shift;
    int32_t low, span;
} ek_line_params;

void ek_add_line_s8(const ek_line_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same in lanes: (a_multiplier * a >> 8) + (b_multiplier * b >> 8) + bias in steps of 1/65536 of a code, from the
 * lowest code of `range`. Along the last axis operands are dense or repeat. */
typedef struct {
    ek_binary_params walk;
    int32_t a_multiplier, b_multiplier, bias;
    ek_code_range range;
} ek_sum_params;

void ek_add_s8_dsp(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* Products, proven likewise: ((multiplier * b >> 8) + correction) * (a - a_zero) >> 9 steps, plus bias, plus `step`
 * where that is not negative, rounded down, plus `zero`, clamped to [0, span], counts from `low`. */
typedef struct {
    ek_binary_params walk;
    int32_t a_zero;
    int32_t multiplier, correction, bias, step;
    int32_t zero;
    int32_t low, span;
} ek_product_line_params;

void ek_mul_line_s8(const ek_product_line_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same in lanes: a_zero is a's zero point times 256, and `zero`, in both. Only b may repeat along the last axis. */
typedef struct {
    ek_binary_params walk;
    uint32_t a_zero;
    int32_t multiplier, correction, bias, step;
    uint32_t zero;
    ek_code_range range;
} ek_product_params;

void ek_mul_s8_dsp(const ek_product_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same of symmetric int16 codes. */
void ek_add_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);
void ek_sub_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);
void ek_mul_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);

typedef struct {
    ek_window window;
    int32_t low, high;
    int32_t half_up;
} ek_pool_params;

void ek_avg_pool2d_s8(const ek_pool_params *p, const int8_t *x, int8_t *y);
void ek_max_pool2d_s8(const ek_pool_params *p, const int8_t *x, int8_t *y);
/* The same of at least four channels; y may not overlap x. */
void ek_max_pool2d_s8_dsp(const ek_pool_params *p, const int8_t *x, int8_t *y);

/* Means of windows of at most 256 codes, of at least four channels: (multiplier * sum >> 16) + bias in steps of 1/65536
 * of a code, from the lowest code of `range`, proven for all sums; the sum of one or two codes is taken four times.
 * `divisors` has a record for every count of codes inside the input that occurs. y may not overlap x. */
typedef struct {
    int32_t count, multiplier, bias;
} ek_divisor;

typedef struct {
    ek_window window;
    ek_code_range range;
} ek_mean_pool_params;

void ek_avg_pool2d_s8_dsp(const ek_mean_pool_params *p, const int8_t *x, const ek_divisor *divisors, int8_t *y);

void ek_avg_pool2d_s16(const ek_pool_params *p, const int16_t *x, int16_t *y);
void ek_max_pool2d_s16(const ek_pool_params *p, const int16_t *x, int16_t *y);

typedef struct {
    int32_t pixels, channels;
    int32_t input_zero;
    int32_t multiplier, left, right;
    int32_t zero_point;
} ek_mean_params;

void ek_mean_s8(const ek_mean_params *p, const int8_t *x, int8_t *y);
void ek_mean_s8_dsp(const ek_mean_params *p, const int8_t *x, int8_t *y); /* of at least four channels */

/* Rows of `width` codes; exponentials[d] is exp of a difference of -d codes as Q0.31. y may be x. */
void ek_softmax_s8(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y);

/* The same; exponentials[255 - d] is twice that of the difference -d, less 2^31. */
void ek_softmax_s8_dsp(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y);

/* The same, of codes that are spaced evenly in a power of the shares: 255 times that less 128. exponentials: their
 * table as above, then that of their powers, then `powers` of ek_power_of_sum. */
void ek_softmax_s8_power(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y);
void ek_softmax_s8_dsp_power(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y);

/* y[i] = table[x[i]], the table in the order of bytes. y may be x. */
void ek_table_8(int32_t elements, const uint8_t *x, const uint8_t *table, uint8_t *y);
void ek_table_8_dsp(int32_t elements, const uint8_t *x, const uint8_t *table, uint8_t *y);

/* y[i] = x[i] + 128 modulo 256: between uint8 and int8 of one scale. y may be x. */
void ek_flip_sign_8(int32_t elements, const uint8_t *x, uint8_t *y);

void ek_quantize_f32_s8(int32_t elements, float scale, int32_t zero_point, const float *x, int8_t *y);
void ek_dequantize_s8_f32(int32_t elements, float scale, int32_t zero_point, const int8_t *x, float *y);
void ek_quantize_f32_s16(int32_t elements, float scale, int32_t zero_point, const float *x, int16_t *y);
void ek_dequantize_s16_f32(int32_t elements, float scale, int32_t zero_point, const int16_t *x, float *y);

#ifdef __cplusplus
}
#endif
#endif
