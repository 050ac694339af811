/* The operator library. One kernel per file, file name = function name. Argument order: parameters, inputs, constants,
 * output, scratch. Activations are int8 codes in NHWC; kernels keep no state and allocate nothing. */
#ifndef EK_KERNELS_H
#define EK_KERNELS_H

#include "ek_arithmetic.h"
#include "ek_coded_products.h"
#include "ek_codes.h"
#include "ek_coding.h"
#include "ek_elementwise.h"
#include "ek_float.h"
#include "ek_index.h"
#include "ek_int8_products.h"
#include "ek_integer.h"
#include "ek_integer_recurrent.h"
#include "ek_lanes.h"
#include "ek_level_products.h"
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

/* Codes of real numbers, rounded half away from 0, and back; NaN has the code of 0. */
void ek_quantize_f32_s8(int32_t elements, float scale, int32_t zero_point, const float *x, int8_t *y);
void ek_dequantize_s8_f32(int32_t elements, float scale, int32_t zero_point, const int8_t *x, float *y);
void ek_quantize_f32_s16(int32_t elements, float scale, int32_t zero_point, const float *x, int16_t *y);
void ek_dequantize_s16_f32(int32_t elements, float scale, int32_t zero_point, const int16_t *x, float *y);

#ifdef __cplusplus
}
#endif
#endif
