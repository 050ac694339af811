#include "ek_im2col.h"

enum { ONCE, TWICE, ANY };

/* What all parts of a layer share; `rounding` is a constant in each instance. */
typedef struct {
    const ek_conv_params *p;
    const ek_tiling *t;
    const int8_t *w;
    const ek_channel *channels;
    uint32_t *tile;
    int32_t quads;
} layer;

/* Two pixels, any shifts and any range of codes, a pair of channels at a time. */
static void multiply_any(const uint32_t *columns, const uint32_t *tile, const ek_channel *channels, int8_t *y,
                         const ek_run *run, ek_output out)
{
    const ek_run one = {1, run->quads, 0};
    for (int32_t i = 0; i < run->pairs; ++i) {
        int32_t acc[4];
        ek_multiply_columns(columns, tile, acc, &one);
        for (int32_t c = 0; c < 2; ++c) {
            y[run->y_step] = ek_requantize(acc[2 * c + 1], channels, out, out.double_rounding);
            *y++ = ek_requantize(acc[2 * c], channels++, out, out.double_rounding);
        }
        tile += EK_PAIR_WORDS(run->quads);
    }
}

EK_INLINE void multiply(const layer *l, const uint32_t *columns, const uint32_t *tile, int32_t channel, int8_t *y,
                        const ek_run *run, int32_t rounding)
{
    if (rounding == ONCE) {
        ek_multiply_columns_once(columns, tile, y, run);
    } else if (rounding == TWICE) {
        ek_multiply_columns_twice(columns, tile, y, run);
    } else {
        multiply_any(columns, tile, l->channels + channel, y, run, l->p->out);
    }
}

static void widen_tile(const layer *l, int32_t first, int32_t pairs)
{
    ek_widen_channels(pairs, l->quads, l->p->weight_zero, 2 * l->p->out.zero_point + 1, l->w + 8 * l->quads * first,
                      l->channels + 2 * first, l->tile);
}

/* A group of pixels times the tile that starts at pair `first`. */
EK_INLINE void multiply_group(const layer *l, const uint32_t *columns, int32_t pixels, int32_t first, int32_t pairs,
                              int8_t *y, int32_t rounding)
{
    const int32_t out_c = l->p->window.out_c;
    const int32_t whole = 2 * (first + pairs) > out_c ? pairs - 1 : pairs; /* less one of a single channel */
    const uint32_t *last = l->tile + EK_PAIR_WORDS(l->quads) * whole;
    ek_run run = {whole, l->quads, out_c};
    y += 2 * first;
    for (; pixels > 0; pixels -= 2) {
        run.y_step = pixels == 1 ? 0 : out_c;
        if (whole > 0) {
            multiply(l, columns, l->tile, 2 * first, y, &run, rounding);
        }
        if (whole < pairs) {
            const ek_run one = {1, l->quads, 2};
            int8_t codes[4];
            multiply(l, columns, last, out_c - 1, codes, &one, rounding);
            y[run.y_step + 2 * whole] = codes[2];
            y[2 * whole] = codes[0];
        }
        columns += 4 * l->quads;
        y += 2 * out_c;
    }
}

static int32_t at_most(int32_t count, int32_t left)
{
    return count < left ? count : left;
}

EK_INLINE void convolve(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, void *scratch, int32_t rounding)
{
    const int32_t out_c = p->window.out_c, pairs = (out_c + 1) >> 1, pixels = p->window.out_h * p->window.out_w;
    const int32_t quads = (p->window.kernel_h * p->window.kernel_w * p->window.in_c + 3) >> 2;
    const layer l = {p, t, w, channels, (uint32_t *)scratch, quads};
    uint32_t *columns = l.tile + EK_PAIR_WORDS(quads) * t->tile_pairs;
    const int32_t outer = t->tiles_outer ? t->tile_pairs : pairs;
    for (int32_t tile = 0; tile < pairs; tile += outer) {
        ek_im2col walk = ek_im2col_start(p, x, columns, t->group_pairs);
        if (t->tiles_outer) {
            widen_tile(&l, tile, at_most(outer, pairs - tile));
        }
        for (int32_t pixel = 0; pixel < pixels; pixel += 2 * t->group_pairs) {
            const int32_t group = at_most(2 * t->group_pairs, pixels - pixel);
            const int32_t end = at_most(tile + outer, pairs);
            ek_im2col_next(&walk, group);
            for (int32_t first = tile; first < end; first += t->tile_pairs) {
                const int32_t count = at_most(t->tile_pairs, end - first);
                if (!t->tiles_outer) {
                    widen_tile(&l, first, count);
                }
                multiply_group(&l, columns, group, first, count, y + pixel * out_c, rounding);
            }
        }
    }
}

#define CONVOLVE(name, rounding)                                                                                       \
    void name(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,                           \
              const ek_channel *channels, int8_t *y, void *scratch)                                                    \
    {                                                                                                                  \
        convolve(p, t, x, w, channels, y, scratch, rounding);                                                          \
    }

CONVOLVE(ek_conv2d_s8_dsp_once, ONCE)
CONVOLVE(ek_conv2d_s8_dsp_twice, TWICE)
CONVOLVE(ek_conv2d_s8_dsp_any, ANY)
