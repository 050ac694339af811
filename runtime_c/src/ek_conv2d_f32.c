#include "ek_float.h"

/* One pixel, `width` outputs from `first` on: the sums in kernel order, then bias and clamp. */
static void pixel(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y, int32_t y0,
                  int32_t x0, int32_t width)
{
    const ek_window *g = &p->window;
    const int32_t depth = g->in_c / p->groups;
    float acc[EK_F32_BLOCK] = {0};
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
            const int32_t column = x0 + kx * g->dilation_w;
            if (row < 0 || row >= g->in_h || column < 0 || column >= g->in_w) {
                w += depth * width;
                continue;
            }
            const float *from = x + ((ptrdiff_t)row * g->in_w + column) * g->in_c;
            if (width == EK_F32_BLOCK) {
                for (int32_t c = 0; c < depth; ++c, w += EK_F32_BLOCK) {
                    for (int32_t j = 0; j < EK_F32_BLOCK; ++j) {
                        acc[j] += from[c] * w[j];
                    }
                }
            } else {
                for (int32_t c = 0; c < depth; ++c, w += width) {
                    for (int32_t j = 0; j < width; ++j) {
                        acc[j] += from[c] * w[j];
                    }
                }
            }
        }
    }
    for (int32_t j = 0; j < width; ++j) {
        y[j] = ek_between(bias ? acc[j] + bias[j] : acc[j], p->low, p->high);
    }
}

void ek_conv2d_f32(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y)
{
    const ek_window *g = &p->window;
    const int32_t depth = g->in_c / p->groups;
    const int32_t outputs = g->out_c / p->groups;
    const ptrdiff_t filter = (ptrdiff_t)g->kernel_h * g->kernel_w * depth;
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t i = 0; i < g->out_h * g->out_w; ++i) {
            const int32_t y0 = i / g->out_w * g->stride_h - g->pad_top;
            const int32_t x0 = i % g->out_w * g->stride_w - g->pad_left;
            const float *weights = w;
            for (int32_t group = 0; group < p->groups; ++group) {
                for (int32_t o = 0; o < outputs; o += EK_F32_BLOCK) {
                    const int32_t width = outputs - o < EK_F32_BLOCK ? outputs - o : EK_F32_BLOCK;
                    const int32_t channel = group * outputs + o;
                    pixel(p, x + group * depth, weights, bias ? bias + channel : 0, y + channel, y0, x0, width);
                    weights += filter * width;
                }
            }
            y += g->out_c;
        }
        x += (ptrdiff_t)g->in_h * g->in_w * g->in_c;
    }
}
