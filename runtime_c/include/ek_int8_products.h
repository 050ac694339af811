/* Convolutions and linear layers of int8 weights. */
#ifndef EK_INT8_PRODUCTS_H
#define EK_INT8_PRODUCTS_H

#include "ek_requantize.h"
#include "ek_tiling.h"
#include "ek_window.h"

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

#ifdef __cplusplus
}
#endif
#endif
