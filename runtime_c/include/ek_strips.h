/* Depthwise convolution by strips on cores with vectors of 128 bit (MVE): a strip is four or eight rows of one channel,
 * column by column, so that sixteen neighbouring bytes hold four columns of four rows or two of eight, and one
 * multiplication with accumulation takes a 3x3 window, or two columns of a 5x5 one; what lies outside has weights of
 * zero. Padding is the input's zero point, which is part of the bias.
 *
 * A band is the rows of output that a strip gives, a block the four windows that are computed at a time:
 *   3x3 at stride 1            bands of two rows, blocks of 2x2
 *   3x3 at stride 2 along rows bands of one row, blocks of four windows of it
 *   5x5 at stride 1            bands of four rows, blocks of one column
 *   5x5 at stride 2            bands of two rows, blocks of 2x2
 * The last band and block go back over what is done where they would reach too far.
 *
 * Table: per channel its weights, then bias, multiplier, and right shift as a negative number. 3x3: three weights of
 * each column and a zero, and a column of zeros; at stride 1 this four times, for the windows at (0, 0), (0, 1), (1, 0)
 * and (1, 1). 5x5: five weights of each column and three zeros, and a column of zeros. */
#ifndef EK_STRIPS_H
#define EK_STRIPS_H

#include "ek_kernels.h"

/* Four channels over the windows of one band. The order is known to the assembly. */
typedef struct {
    const int32_t *table;
    int32_t strip_bytes;  /* from channel to channel */
    int32_t y_step;       /* from code to code of a row */
    int32_t y_row;        /* from row to row */
    int32_t blocks, back; /* whole ones; how many columns one more goes back to cover the rest, or 0 */
    int32_t zero_point, low, high;
} ek_strip_run;

typedef void ek_strips_run(const uint32_t *strips, int8_t *y, const ek_strip_run *run);

/* Rows of a strip, rows of a band, columns of a block, and words of a channel's weights. */
typedef struct {
    int32_t strip_rows, band_rows, block_columns, weight_words;
} ek_strip_shape;

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the strips of four channels, `columns` columns each from that at -pad_left, for the four or eight rows from
 * `top`; both may lie outside the input. x: 4-byte aligned. Strips have 4 * rows * columns bytes, a multiple of 64; as
 * many more behind them are used. */
void ek_fill_strips_4(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t columns, uint32_t *strips);
void ek_fill_strips_8(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t columns, uint32_t *strips);

/* Four channels of a band, two roundings or one, as ek_dots.h limits them. */
ek_strips_run ek_strips_3x3_twice, ek_strips_3x3_once, ek_strips_3x3_apart_twice, ek_strips_3x3_apart_once;
ek_strips_run ek_strips_5x5_twice, ek_strips_5x5_once, ek_strips_5x5_apart_twice, ek_strips_5x5_apart_once;

#ifdef __cplusplus
}
#endif

/* A whole layer; `shape` and `run` are constants in each instance. */
EK_INLINE void ek_depthwise_strips(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                   uint32_t *strips, ek_strip_shape shape, ek_strips_run *run)
{
    const ek_window *w = &p->window;
    const int32_t unit = 16 / shape.strip_rows; /* columns that fill a vector */
    const int32_t reach = (w->out_w - 1) * w->stride_w + 2 * ((w->kernel_w + 1) >> 1);
    const int32_t columns = (reach + unit - 1) / unit * unit, y_row = w->out_w * w->out_c;
    const int32_t rest = w->out_w % shape.block_columns;
    ek_strip_run band = {
        table,
        shape.strip_rows * columns,
        w->out_c,
        y_row,
        w->out_w / shape.block_columns,
        rest ? shape.block_columns - rest : 0,
        p->out.zero_point,
        p->out.low,
        p->out.high,
    };
    for (int32_t c = 0; c < w->in_c; c += 4) {
        for (int32_t done = 0; done < w->out_h; done += shape.band_rows) {
            const int32_t row = done + shape.band_rows > w->out_h ? w->out_h - shape.band_rows : done;
            const int32_t top = row * w->stride_h - w->pad_top;
            if (shape.strip_rows == 4) {
                ek_fill_strips_4(p, x + c, top, columns, strips);
            } else {
                ek_fill_strips_8(p, x + c, top, columns, strips);
            }
            run(strips, y + row * y_row + c, &band);
        }
        band.table += 4 * (shape.weight_words + 3);
    }
}

/* The kernel that cuts a layer to `shape` and computes its strips by `rows`. */
#define EK_DEPTHWISE_STRIPS(name, shape, rows)                                                                         \
    void name(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch)                \
    {                                                                                                                  \
        ek_depthwise_strips(p, x, table, y, (uint32_t *)scratch, shape, rows);                                         \
    }

#endif
