/* What pooling of codes over H and W shares: the windows, cut to the input. */
#ifndef EK_POOL2D_H
#define EK_POOL2D_H

#include "ek_kernels.h"

/* The codes of a window inside the input: rows of `columns` pixels, from code to code and from row to row. */
#define EK_POOL_CODES(type, body)                                                                                      \
    for (int32_t row = top; row < bottom; ++row) {                                                                     \
        const type *code = x + (row * g->in_w + left) * step_c + c;                                                    \
        for (int32_t column = left; column < right; ++column) {                                                        \
            body code += step_c;                                                                                       \
        }                                                                                                              \
    }

/* `acc` starts at `start` and becomes `step` of it and every code v of a window; `result` of it, clamped, is the
 * output. Four channels at a time share what finding the codes takes. */
#define EK_POOL2D(name, type, start, step, result)                                                                     \
    EK_INLINE int32_t name##_step(int32_t acc, int32_t v)                                                              \
    {                                                                                                                  \
        return (step);                                                                                                 \
    }                                                                                                                  \
    static type name##_code(const ek_pool_params *p, int32_t acc, int32_t count)                                       \
    {                                                                                                                  \
        (void)count;                                                                                                   \
        return (type)ek_clamp((result), p->low, p->high);                                                              \
    }                                                                                                                  \
    void name(const ek_pool_params *p, const type *x, type *y)                                                         \
    {                                                                                                                  \
        const ek_window *g = &p->window;                                                                               \
        const int32_t step_c = g->in_c;                                                                                \
        for (int32_t oy = 0; oy < g->out_h; ++oy) {                                                                    \
            const int32_t y0 = oy * g->stride_h - g->pad_top;                                                          \
            const int32_t top = y0 < 0 ? 0 : y0;                                                                       \
            const int32_t bottom = y0 + g->kernel_h > g->in_h ? g->in_h : y0 + g->kernel_h;                            \
            for (int32_t ox = 0; ox < g->out_w; ++ox) {                                                                \
                const int32_t x0 = ox * g->stride_w - g->pad_left;                                                     \
                const int32_t left = x0 < 0 ? 0 : x0;                                                                  \
                const int32_t right = x0 + g->kernel_w > g->in_w ? g->in_w : x0 + g->kernel_w;                         \
                const int32_t count = (bottom - top) * (right - left);                                                 \
                int32_t c = 0;                                                                                         \
                for (; c + 4 <= step_c; c += 4) {                                                                      \
                    int32_t first = start, second = start, third = start, fourth = start;                              \
                    EK_POOL_CODES(type, first = name##_step(first, code[0]); second = name##_step(second, code[1]);    \
                                  third = name##_step(third, code[2]); fourth = name##_step(fourth, code[3]);)         \
                    *y++ = name##_code(p, first, count);                                                               \
                    *y++ = name##_code(p, second, count);                                                              \
                    *y++ = name##_code(p, third, count);                                                               \
                    *y++ = name##_code(p, fourth, count);                                                              \
                }                                                                                                      \
                for (; c < step_c; ++c) {                                                                              \
                    int32_t acc = start;                                                                               \
                    EK_POOL_CODES(type, acc = name##_step(acc, code[0]);)                                              \
                    *y++ = name##_code(p, acc, count);                                                                 \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

#endif
