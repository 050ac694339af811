#include "ek_convolution_dsp.h"

typedef struct {
    const ek_conv_params *p;
    const int8_t *w;
    const ek_channel *channels;
} weights;

static void widen_weights(void *source, int32_t first, int32_t pairs, uint32_t *tile)
{
    const weights *s = (const weights *)source;
    const int32_t quads = ek_window_quads(s->p);
    ek_widen_channels(pairs, quads, s->p->weight_zero, 2 * s->p->out.zero_point + 1, s->w + 8 * quads * first,
                      s->channels + 2 * first, tile);
}

#define CONVOLVE(name, rounding, loop)                                                                                 \
    void name(const ek_conv_params *p, const ek_tiling *t, const int8_t *x, const int8_t *w,                           \
              const ek_channel *channels, int8_t *y, void *scratch)                                                    \
    {                                                                                                                  \
        weights source = {p, w, channels};                                                                             \
        ek_convolve_dsp(p, t, x, widen_weights, &source, channels, y, (uint32_t *)scratch, rounding, loop);            \
    }

CONVOLVE(ek_conv2d_s8_dsp_once, EK_ONCE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_s8_dsp_once_grouped, EK_ONCE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_s8_dsp_once_beside, EK_ONCE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_s8_dsp_twice, EK_TWICE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_s8_dsp_twice_grouped, EK_TWICE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_s8_dsp_twice_beside, EK_TWICE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_s8_dsp_any, EK_ANY, EK_TWOS)

#define CONVOLVE_LEVELS(name, rounding, loop)                                                                          \
    void name(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *x, const int8_t *w,    \
              const ek_channel *channels, int8_t *y, void *scratch)                                                    \
    {                                                                                                                  \
        weights source = {p, w, channels};                                                                             \
        ek_convolve_levels_dsp(p, t, levels, x, widen_weights, &source, channels, y, (uint32_t *)scratch, rounding,    \
                               loop);                                                                                  \
    }

CONVOLVE_LEVELS(ek_conv2d_s8_dsp_levels_once, EK_ONCE_EACH, EK_TWOS)
CONVOLVE_LEVELS(ek_conv2d_s8_dsp_levels_once_grouped, EK_ONCE_EACH, EK_GROUPED)
CONVOLVE_LEVELS(ek_conv2d_s8_dsp_levels_once_beside, EK_ONCE_EACH, EK_BESIDE)
CONVOLVE_LEVELS(ek_conv2d_s8_dsp_levels_any, EK_ANY, EK_TWOS)
