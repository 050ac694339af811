/* Convolutions on cores with two-lane arithmetic: what differs is how tiles of channels are made. */
#ifndef EK_CONVOLUTION_DSP_H
#define EK_CONVOLUTION_DSP_H

#include "ek_im2col.h"
#include "ek_level_columns.h"
#include "ek_products.h"

static void ek_gather_windows(void *source, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    ek_im2col_next((ek_im2col *)source, first, pixels, fours, columns);
}

/* Quads of a window. */
static inline int32_t ek_window_quads(const ek_conv_params *p)
{
    return (p->window.kernel_h * p->window.kernel_w * p->window.in_c + 3) >> 2;
}

/* The layer with columns at the start of scratch and the tile behind them, as ek_fours.h asks for. */
static inline ek_products ek_products_of(const ek_conv_params *p, const ek_tiling *t, const ek_channel *channels,
                                         uint32_t *scratch)
{
    const int32_t quads = ek_window_quads(p);
    const ek_products products = {
        p->window.out_h * p->window.out_w,    p->window.out_c, quads, p->window.out_c, channels, 1, p->out, t,
        scratch + 4 * quads * t->group_pairs, scratch};
    return products;
}

/* A layer; `widen`, `rounding` and `loop` are constants in each instance. channels: records, for EK_ANY alone. */
EK_INLINE void ek_convolve_dsp(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, ek_widen *widen,
                               void *weights, const ek_channel *channels, int8_t *y, uint32_t *scratch,
                               int32_t rounding, int32_t loop)
{
    const ek_products products = ek_products_of(p, t, channels, scratch);
    ek_im2col walk = ek_im2col_start(p, x, (int8_t *)(products.tile + EK_PAIR_WORDS(products.quads) * t->tile_pairs));
    ek_multiply_all(&products, ek_gather_windows, &walk, widen, weights, y, rounding, loop);
}

/* The same of a 1x1 convolution whose input is codes of a grid. */
EK_INLINE void ek_convolve_levels_dsp(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels,
                                      const int8_t *x, ek_widen *widen, void *weights, const ek_channel *channels,
                                      int8_t *y, uint32_t *scratch, int32_t rounding, int32_t loop)
{
    const ek_products products = ek_products_of(p, t, channels, scratch);
    ek_level_rows rows = {x, levels, p->window.in_c, p->window.in_c};
    ek_multiply_all(&products, ek_gather_levels, &rows, widen, weights, y, rounding, loop);
}

#endif
