/* The windows of a convolution as columns of 16-bit lanes (ek_columns.h), the input's zero point taken off. */
#ifndef EK_IM2COL_H
#define EK_IM2COL_H

#include "ek_columns.h"
#include "ek_kernels.h"

/* Where a walk over the windows of one image stands. */
typedef struct {
    const ek_conv_params *p;
    const int8_t *x;
    int32_t quads;                           /* of a window */
    int32_t row_quads, row_rest, rest_quads; /* whole ones of a kernel row, the bytes left of it, quads of all those */
    int32_t pitch, last_row, last_column;    /* from kernel row to row; the last places of a window inside the input */
    int32_t pointwise;                       /* a pixel is its own window */
    int32_t row, column;                     /* of the next window */
    int8_t *bytes, *rests;                   /* one row of a window; what is left of all rows */
} ek_im2col;

#ifdef __cplusplus
extern "C" {
#endif

/* At the first window. bytes: those of a kernel row and those of its rest, KH times, each rounded up to words.
 *
 * The order of a window's inputs: per kernel row as many whole quads of KW * C codes as there are, then the up to three
 * codes left of each row, zeros to a whole quad. */
ek_im2col ek_im2col_start(const ek_conv_params *p, const int8_t *x, int8_t *bytes);

/* Makes the columns of the `pixels` windows from `first`: called in their order, and again from 0. The second one of an
 * odd last pair is zero. */
void ek_im2col_next(ek_im2col *walk, int32_t first, int32_t pixels, uint32_t *columns);

#ifdef __cplusplus
}
#endif
#endif
