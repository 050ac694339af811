/* What pooling and means share: where windows lie, and how a sum becomes a code. */
#ifndef EK_POOL_H
#define EK_POOL_H

#include "ek_kernels.h"

/* The part of a window inside the input, at least one pixel: `step` bytes lead to the next column, `skip` more from
 * behind a row's last column to the next row. */
typedef struct {
    const int8_t *first;
    int32_t rows, columns;
    int32_t step, skip;
} ek_pool_part;

/* The windows of output row oy, their columns still open: `first` is in column 0. */
EK_INLINE ek_pool_part ek_pool_row(const ek_window *g, const int8_t *x, int32_t oy)
{
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const int32_t top = y0 < 0 ? 0 : y0;
    const int32_t bottom = y0 + g->kernel_h > g->in_h ? g->in_h : y0 + g->kernel_h;
    const ek_pool_part row = {x + top * g->in_w * g->in_c, bottom - top, g->in_w, g->in_c, 0};
    return row;
}

/* The window of a row that begins in column x0, which may lie before the input. */
EK_INLINE ek_pool_part ek_pool_window(const ek_window *g, ek_pool_part row, int32_t x0)
{
    const int32_t left = x0 < 0 ? 0 : x0;
    const int32_t right = x0 + g->kernel_w > g->in_w ? g->in_w : x0 + g->kernel_w;
    row.first += left * g->in_c;
    row.columns = right - left;
    row.skip = (g->in_w - row.columns) * g->in_c;
    return row;
}

/* A sum of centred codes, scaled in TFLite's two rounding steps. */
EK_INLINE int8_t ek_mean_code(const ek_mean_params *p, int32_t sum)
{
    const int32_t high = ek_doubling_high_mul(ek_shift_left(sum, (uint32_t)p->left), p->multiplier);
    return (int8_t)ek_clamp(ek_divide_by_pot(high, (uint32_t)p->right) + p->zero_point, -128, 127);
}

#endif
