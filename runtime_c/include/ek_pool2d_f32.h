/* Pooling of float images: one number of every channel's every window. */
#ifndef EK_POOL2D_F32_H
#define EK_POOL2D_F32_H

#include "ek_float.h"

/* The kernel `name`, of `of_window(p, x, y0, x0)`: x is a channel's first number, (y0, x0) the window's first place. */
#define EK_POOL2D_F32(name, of_window)                                                                                 \
    void name(const ek_pool_f32_params *p, const float *x, float *y)                                                   \
    {                                                                                                                  \
        const ek_window *g = &p->window;                                                                               \
        for (int32_t n = 0; n < p->batch; ++n) {                                                                       \
            for (int32_t i = 0; i < g->out_h * g->out_w; ++i) {                                                        \
                const int32_t y0 = i / g->out_w * g->stride_h - g->pad_top;                                            \
                const int32_t x0 = i % g->out_w * g->stride_w - g->pad_left;                                           \
                for (int32_t c = 0; c < g->in_c; ++c) {                                                                \
                    *y++ = ek_between(of_window(p, x + c, y0, x0), p->low, p->high);                                   \
                }                                                                                                      \
            }                                                                                                          \
            x += (ptrdiff_t)g->in_h * g->in_w * g->in_c;                                                               \
        }                                                                                                              \
    }

#endif
