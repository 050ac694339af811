#include "ek_im2col.h"
#include "ek_products.h"

typedef struct {
    const ek_conv_params *p;
    const int8_t *w;
    const ek_channel *channels;
    int32_t quads;
} weights;

static void gather_windows(void *source, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    ek_im2col_next((ek_im2col *)source, first, pixels, fours, columns);
}

static void widen_weights(void *source, int32_t first, int32_t pairs, uint32_t *tile)
{
    const weights *s = (const weights *)source;
    ek_widen_channels(pairs, s->quads, s->p->weight_zero, 2 * s->p->out.zero_point + 1, s->w + 8 * s->quads * first,
                      s->channels + 2 * first, tile);
}

EK_INLINE void convolve(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, uint32_t *scratch, int32_t rounding, int32_t loop)
{
    const int32_t quads = (p->window.kernel_h * p->window.kernel_w * p->window.in_c + 3) >> 2;
    uint32_t *tile = scratch + 4 * quads * t->group_pairs; /* behind the columns, as ek_fours.h asks for */
    const ek_products products = {p->window.out_h * p->window.out_w,
                                  p->window.out_c,
                                  quads,
                                  p->window.out_c,
                                  channels,
                                  1,
                                  p->out,
                                  t,
                                  tile,
                                  scratch};
    ek_im2col walk = ek_im2col_start(p, x, (int8_t *)(tile + EK_PAIR_WORDS(quads) * t->tile_pairs));
    weights source = {p, w, channels, quads};
    ek_multiply_all(&products, gather_windows, &walk, widen_weights, &source, y, rounding, loop);
}

#define CONVOLVE(name, rounding, loop)                                                                                 \
    void name(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,                           \
              const ek_channel *channels, int8_t *y, void *scratch)                                                    \
    {                                                                                                                  \
        convolve(p, t, x, w, channels, y, (uint32_t *)scratch, rounding, loop);                                        \
    }

CONVOLVE(ek_conv2d_s8_dsp_once, EK_ONCE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_s8_dsp_once_grouped, EK_ONCE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_s8_dsp_once_beside, EK_ONCE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_s8_dsp_twice, EK_TWICE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_s8_dsp_twice_grouped, EK_TWICE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_s8_dsp_twice_beside, EK_TWICE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_s8_dsp_any, EK_ANY, EK_TWOS)
