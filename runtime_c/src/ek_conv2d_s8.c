#include "ek_row_windows.h"

EK_INLINE void convolve(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, int8_t *scratch, int32_t rounding)
{
    const ek_window *g = &p->window;
    const int32_t depth = g->in_c / p->groups, outputs = g->out_c / p->groups;
    const int32_t filter = g->kernel_h * g->kernel_w * depth;
    for (int32_t group = 0; group < p->groups; ++group) {
        const ek_row_layer layer = {filter, outputs, p->weight_zero, w, channels, p->out};
        ek_convolve_rows(p, pairs, x, depth, &layer, y, scratch, rounding);
        x += depth;
        y += outputs;
        w += outputs * filter;
        channels += outputs;
    }
}

#define CONVOLVE(name, rounding)                                                                                       \
    void name(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w, const ek_channel *channels,    \
              int8_t *y, void *scratch)                                                                                \
    {                                                                                                                  \
        convolve(p, pairs, x, w, channels, y, (int8_t *)scratch, rounding);                                            \
    }

CONVOLVE(ek_conv2d_s8_any, EK_ANY)
CONVOLVE(ek_conv2d_s8_once, EK_ONCE_EACH)
CONVOLVE(ek_conv2d_s8_twice, EK_TWICE_EACH)
