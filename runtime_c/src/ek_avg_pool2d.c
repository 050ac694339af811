#include "ek_kernels.h"

static int32_t rounded_mean(int32_t sum, int32_t count, int32_t half_up)
{
    if (half_up) {
        return (sum + 128 * count + count / 2) / count - 128;
    }
    return (sum >= 0 ? sum + count / 2 : sum - count / 2) / count;
}

#define POOL(name, type)                                                                                               \
    void name(const ek_pool_params *p, const type *x, type *y)                                                         \
    {                                                                                                                  \
        const ek_window *g = &p->window;                                                                               \
        for (int32_t oy = 0; oy < g->out_h; ++oy) {                                                                    \
            const int32_t y0 = oy * g->stride_h - g->pad_top;                                                          \
            const int32_t top = y0 < 0 ? 0 : y0;                                                                       \
            const int32_t bottom = y0 + g->kernel_h > g->in_h ? g->in_h : y0 + g->kernel_h;                            \
            for (int32_t ox = 0; ox < g->out_w; ++ox) {                                                                \
                const int32_t x0 = ox * g->stride_w - g->pad_left;                                                     \
                const int32_t left = x0 < 0 ? 0 : x0;                                                                  \
                const int32_t right = x0 + g->kernel_w > g->in_w ? g->in_w : x0 + g->kernel_w;                         \
                const int32_t count = (bottom - top) * (right - left);                                                 \
                for (int32_t c = 0; c < g->in_c; ++c) {                                                                \
                    int32_t sum = 0;                                                                                   \
                    for (int32_t row = top; row < bottom; ++row) {                                                     \
                        const type *code = x + (row * g->in_w + left) * g->in_c + c;                                   \
                        for (int32_t column = left; column < right; ++column) {                                        \
                            sum += *code;                                                                              \
                            code += g->in_c;                                                                           \
                        }                                                                                              \
                    }                                                                                                  \
                    *y++ = (type)ek_clamp(rounded_mean(sum, count, p->half_up), p->low, p->high);                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

POOL(ek_avg_pool2d_s8, int8_t)
POOL(ek_avg_pool2d_s16, int16_t)
