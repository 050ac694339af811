#include "ek_integer.h"

static int64_t accumulate(const ek_window *g, const int16_t *x, const int8_t *w, int32_t y0, int32_t x0)
{
    int64_t acc = 0;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
            const int32_t column = x0 + kx * g->dilation_w;
            if (row >= 0 && row < g->in_h && column >= 0 && column < g->in_w) {
                acc += x[(row * g->in_w + column) * g->in_c] * w[(ky * g->kernel_w + kx) * g->out_c];
            }
        }
    }
    return acc;
}

void ek_depthwise_conv2d_s16(const ek_conv_s16_params *p, const int16_t *x, const int8_t *w,
                             const ek_channel_64 *channels, int16_t *y)
{
    const ek_window *g = &p->window;
    const int32_t multiplier = g->out_c / g->in_c;
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            const int32_t y0 = oy * g->stride_h - g->pad_top;
            const int32_t x0 = ox * g->stride_w - g->pad_left;
            for (int32_t c = 0; c < g->out_c; ++c) {
                const int64_t acc = channels[c].bias + accumulate(g, x + c / multiplier, w + c, y0, x0);
                *y++ = ek_to_s16(ek_rescaled_half(acc, &channels[c]), p->low, p->high);
            }
        }
    }
}
