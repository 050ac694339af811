#include "ek_float.h"

/* Places in the padding count as -infinity; NaN wins. */
static float largest(const ek_window *g, const float *x, int32_t y0, int32_t x0)
{
    float best = -EK_INF_F32;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
            const int32_t column = x0 + kx * g->dilation_w;
            if (row >= 0 && row < g->in_h && column >= 0 && column < g->in_w) {
                const float v = x[((ptrdiff_t)row * g->in_w + column) * g->in_c];
                best = (best > v || best != best) ? best : v;
            }
        }
    }
    return best;
}

void ek_max_pool2d_f32(const ek_pool_f32_params *p, const float *x, float *y)
{
    const ek_window *g = &p->window;
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t i = 0; i < g->out_h * g->out_w; ++i) {
            const int32_t y0 = i / g->out_w * g->stride_h - g->pad_top;
            const int32_t x0 = i % g->out_w * g->stride_w - g->pad_left;
            for (int32_t c = 0; c < g->in_c; ++c) {
                *y++ = ek_between(largest(g, x + c, y0, x0), p->low, p->high);
            }
        }
        x += (ptrdiff_t)g->in_h * g->in_w * g->in_c;
    }
}
