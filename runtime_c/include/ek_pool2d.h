/* What pooling of codes over H and W shares: the windows, cut to the input. */
#ifndef EK_POOL2D_H
#define EK_POOL2D_H

#include "ek_kernels.h"

/* `acc` starts at `start` and takes `step` of every code v of a window; `result` of it, clamped, is the output. */
#define EK_POOL2D(name, type, start, step, result)                                                                     \
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
                for (int32_t c = 0; c < g->in_c; ++c) {                                                                \
                    int32_t acc = start;                                                                               \
                    for (int32_t row = top; row < bottom; ++row) {                                                     \
                        const type *code = x + (row * g->in_w + left) * g->in_c + c;                                   \
                        for (int32_t column = left; column < right; ++column) {                                        \
                            const int32_t v = *code;                                                                   \
                            acc = (step);                                                                              \
                            code += g->in_c;                                                                           \
                        }                                                                                              \
                    }                                                                                                  \
                    *y++ = (type)ek_clamp((result), p->low, p->high);                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

#endif
