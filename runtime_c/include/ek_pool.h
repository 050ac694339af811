/* What the pooling kernels of four codes at once share: where windows lie, and which channels are taken together. */
#ifndef EK_POOL_H
#define EK_POOL_H

#include "ek_kernels.h"

/* The part of a window inside the input: `skip` bytes lead from the end of a row to the next one. */
typedef struct {
    const int8_t *first;
    int32_t rows, columns;
    int32_t channels, skip;
} ek_pool_part;

EK_INLINE ek_pool_part ek_pool_part_at(const ek_window *g, const int8_t *x, int32_t oy, int32_t ox)
{
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const int32_t x0 = ox * g->stride_w - g->pad_left;
    const int32_t top = y0 < 0 ? 0 : y0;
    const int32_t left = x0 < 0 ? 0 : x0;
    const int32_t bottom = y0 + g->kernel_h > g->in_h ? g->in_h : y0 + g->kernel_h;
    const int32_t right = x0 + g->kernel_w > g->in_w ? g->in_w : x0 + g->kernel_w;
    const int32_t columns = right - left;
    const ek_pool_part part = {x + (top * g->in_w + left) * g->in_c, bottom - top, columns, g->in_c,
                               (g->in_w - columns) * g->in_c};
    return part;
}

/* The next window of a row of windows. */
#endif
