/* The windows of a convolution as columns of 16-bit lanes (ek_columns.h), the input's zero point taken off. */
#ifndef EK_IM2COL_H
#define EK_IM2COL_H

#include "ek_fours.h"
#include "ek_kernels.h"

/* Rows to widen: minus the zero point in both lanes; of each row whole quads and the bytes that are left, and from the
 * end of one to the next. The order is known to the assembly. */
typedef struct {
    uint32_t minus_zero;
    int32_t quads, rest, skip, rows;
} ek_window_rows;

/* Where a walk over the windows of one image stands. */
typedef struct {
    const ek_conv_params *p;
    const int8_t *x;
    int32_t quads;                        /* of a window */
    ek_window_rows inside, assembled;     /* a window as it stands in the input; one of its rows, put together */
    int32_t rest_quads;                   /* of what is left of all rows */
    uint32_t rows_inside, columns_inside; /* where a window may start so that it lies inside the input */
    int32_t end;                          /* of a row of windows: where the next one would start */
    int32_t pointwise;                    /* a pixel is its own window */
    int32_t y0, x0;                       /* of the next window */
    int8_t *bytes, *rests;                /* one row of a window; what is left of all rows */
} ek_im2col;

#ifdef __cplusplus
extern "C" {
#endif

/* At the first window. bytes: those of a kernel row and those of its rest, KH times, each rounded up to words.
 *
 * The order of a window's inputs: per kernel row as many whole quads of KW * C codes as there are, then the up to three
 * codes left of each row, zeros to a whole quad. */
ek_im2col ek_im2col_start(const ek_conv_params *p, const int8_t *x, int8_t *bytes);

/* Makes the columns of the `pixels` windows from `first`, `fours` times four and then in pairs: called in their order,
 * and again from 0. The second one of an odd last pair is zero. */
void ek_im2col_next(ek_im2col *walk, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns);

#ifdef __cplusplus
}
#endif
#endif
