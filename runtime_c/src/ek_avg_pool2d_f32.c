#include "ek_pool2d_f32.h"

/* How many of the window's places along one axis lie in [0, end). */
static int32_t inside(int32_t start, int32_t kernel, int32_t dilation, int32_t low, int32_t end)
{
    int32_t count = 0;
    for (int32_t k = 0; k < kernel; ++k) {
        const int32_t at = start + k * dilation;
        count += at >= low && at < end;
    }
    return count;
}

static float mean(const ek_pool_f32_params *p, const float *x, int32_t y0, int32_t x0)
{
    const ek_window *g = &p->window;
    float sum = 0.0f;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
            const int32_t column = x0 + kx * g->dilation_w;
            if (row >= 0 && row < g->in_h && column >= 0 && column < g->in_w) {
                sum += x[((ptrdiff_t)row * g->in_w + column) * g->in_c];
            }
        }
    }
    const int32_t top = p->count_padding ? -g->pad_top : 0;
    const int32_t left = p->count_padding ? -g->pad_left : 0;
    const int32_t bottom = g->in_h + (p->count_padding ? p->pad_bottom : 0);
    const int32_t right = g->in_w + (p->count_padding ? p->pad_right : 0);
    const int32_t count =
        inside(y0, g->kernel_h, g->dilation_h, top, bottom) * inside(x0, g->kernel_w, g->dilation_w, left, right);
    return sum / (float)count;
}

EK_POOL2D_F32(ek_avg_pool2d_f32, mean)
