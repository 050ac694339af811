#include "ek_pool2d_f32.h"

/* Places in the padding count as -infinity; NaN wins. */
static float largest(const ek_pool_f32_params *p, const float *x, int32_t y0, int32_t x0)
{
    const ek_window *g = &p->window;
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

EK_POOL2D_F32(ek_max_pool2d_f32, largest)
