/* Depthwise 3x3 convolution by strips on cores with vectors of 128 bit (MVE): a strip is four rows of one channel,
 * column by column, so that the four by four codes around a window are sixteen neighbouring bytes and one
 * multiplication with accumulation takes the whole window; what lies outside has weights of zero. Padding is the
 * input's zero point, which is part of the bias.
 *
 * Table: per channel its weights, three of each column and a zero, and a column of zeros; at stride 1 along rows these
 * four times: for the windows at (0, 0), (0, 1), (1, 0) and (1, 1); then bias, multiplier, and right shift as a
 * negative number. */
#ifndef EK_STRIPS_H
#define EK_STRIPS_H

#include "ek_kernels.h"

/* Words of a channel in a table. */
#define EK_STRIP_WORDS(windows) (4 * (windows) + 3)

/* Four channels over the windows of one band: one row of output at stride 2, two at stride 1. The order is known to the
 * assembly. */
typedef struct {
    const int32_t *table;
    int32_t strip_bytes;  /* from channel to channel */
    int32_t y_step;       /* from code to code of a row */
    int32_t y_row;        /* from row to row */
    int32_t blocks, back; /* of four windows; columns that one more of them goes back to cover the rest, or 0 */
    int32_t zero_point, low, high;
} ek_strip_run;

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the strips of four channels, `columns` (a multiple of four) columns each from that at -pad_left, for the four
 * rows from `top`; both may lie outside the input. x: 4-byte aligned. Strips have 16 * columns bytes; as many more
 * behind them are used. */
void ek_fill_strips(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t columns, uint32_t *strips);

/* Four channels of a band: windows one column apart, in two rows; or two columns apart, in one. Two roundings or one,
 * as ek_dots.h limits them. */
void ek_strips_twice(const uint32_t *strips, int8_t *y, const ek_strip_run *run);
void ek_strips_once(const uint32_t *strips, int8_t *y, const ek_strip_run *run);
void ek_strips_apart_twice(const uint32_t *strips, int8_t *y, const ek_strip_run *run);
void ek_strips_apart_once(const uint32_t *strips, int8_t *y, const ek_strip_run *run);

#ifdef __cplusplus
}
#endif
#endif
