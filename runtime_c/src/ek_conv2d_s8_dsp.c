#include "ek_im2col.h"
#include "ek_products.h"

typedef struct {
    const ek_conv_params *p;
    const int8_t *w;
    const ek_channel *channels;
    int32_t quads;
} weights;

static void gather_windows(void *source, int32_t first, int32_t pixels, uint32_t *columns)
{
    ek_im2col_next((ek_im2col *)source, first, pixels, columns);
}

static void widen_weights(void *source, int32_t first, int32_t pairs, uint32_t *tile)
{
    const weights *s = (const weights *)source;
    ek_widen_channels(pairs, s->quads, s->p->weight_zero, 2 * s->p->out.zero_point + 1, s->w + 8 * s->quads * first,
                      s->channels + 2 * first, tile);
}

EK_INLINE void convolve(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, uint32_t *scratch, int32_t rounding)
{
    const int32_t quads = (p->window.kernel_h * p->window.kernel_w * p->window.in_c + 3) >> 2;
    uint32_t *columns = scratch + EK_PAIR_WORDS(quads) * t->tile_pairs;
    const ek_products products = {p->window.out_h * p->window.out_w,
                                  p->window.out_c,
                                  quads,
                                  p->window.out_c,
                                  channels,
                                  1,
                                  p->out,
                                  t,
                                  scratch,
                                  columns};
    ek_im2col walk = ek_im2col_start(p, x, (int8_t *)(columns + 4 * quads * t->group_pairs));
    weights source = {p, w, channels, quads};
    ek_multiply_all(&products, gather_windows, &walk, widen_weights, &source, y, rounding);
}

#define CONVOLVE(name, rounding)                                                                                       \
    void name(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,                           \
              const ek_channel *channels, int8_t *y, void *scratch)                                                    \
    {                                                                                                                  \
        convolve(p, t, x, w, channels, y, (uint32_t *)scratch, rounding);                                              \
    }

CONVOLVE(ek_conv2d_s8_dsp_once, EK_ONCE_EACH)
CONVOLVE(ek_conv2d_s8_dsp_twice, EK_TWICE_EACH)
CONVOLVE(ek_conv2d_s8_dsp_any, EK_ANY)
