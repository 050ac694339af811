#include "ek_kernels.h"

void ek_depthwise_conv2d_s8(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                            int8_t *y)
{
    const ek_window *g = &p->window;
    const ek_output out = p->out;
    const int32_t multiplier = g->out_c / g->in_c;
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            for (int32_t c = 0; c < g->out_c; ++c) {
                int32_t acc = channels[c].bias;
                for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
                    const int32_t row = oy * g->stride_h - g->pad_top + ky * g->dilation_h;
                    for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
                        const int32_t column = ox * g->stride_w - g->pad_left + kx * g->dilation_w;
                        if (row >= 0 && row < g->in_h && column >= 0 && column < g->in_w) {
                            const int32_t code = x[(row * g->in_w + column) * g->in_c + c / multiplier];
                            const int32_t weight = w[(ky * g->kernel_w + kx) * g->out_c + c];
                            acc += (code - p->input_zero) * (weight - p->weight_zero);
                        }
                    }
                }
                *y++ = ek_requantize(acc, &channels[c], out, out.double_rounding);
            }
        }
    }
}
