/* What ek_conv and ek_conv_transpose share: they walk the same taps, one from the wide to the narrow tensor, the other
 * back. Every output is one accumulator, which y itself holds: channel by channel, place by place, then the bias. */
#ifndef EK_CONVOLUTION_H
#define EK_CONVOLUTION_H

#include "ek_spatial.h"

/* Adds the products of one channel, between tensors `source` and `target` (wide, narrow) whose rows advance by a step.
 */
#define EK_ADD_CHANNEL(name, type, sum, source, source_step, target, target_step)                                      \
    static void name(const ek_grid *g, const type *x, const type *w, type *y)                                          \
    {                                                                                                                  \
        const int32_t places = ek_volume(g->kernel);                                                                   \
        for (int32_t place = 0; place < places; ++place) {                                                             \
            ek_tap t;                                                                                                  \
            if (!ek_tap_at(g, place, &t)) {                                                                            \
                continue;                                                                                              \
            }                                                                                                          \
            for (int32_t row = 0; row < t.count[0] * t.count[1]; ++row) {                                              \
                const type *from = x + ek_tap_##source(g, &t, row / t.count[1], row % t.count[1]);                     \
                type *to = y + ek_tap_##target(g, &t, row / t.count[1], row % t.count[1]);                             \
                for (int32_t i = 0; i < t.count[2]; ++i, from += (source_step), to += (target_step)) {                 \
                    *to = (type)((sum) * to + (sum) * from * (sum)w[place]);                                           \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* The layer, by `add` of each channel c of the group of output o; `kernel_of` is the place of their weights. */
#define EK_CONVOLUTION(name, add, type, sum, source, target, kernel_of)                                                \
    void name(const ek_conv_spatial_params *p, const type *x, const type *w, const type *bias, type *y)                \
    {                                                                                                                  \
        const ptrdiff_t depth = p->in_c / p->groups;                                                                   \
        const int32_t outputs = p->out_c / p->groups;                                                                  \
        const int32_t size = ek_volume(p->grid.target);                                                                \
        const ptrdiff_t plane = ek_volume(p->grid.source);                                                             \
        const ptrdiff_t kernel = ek_volume(p->grid.kernel);                                                            \
        for (int32_t n = 0; n < p->batch; ++n) {                                                                       \
            for (int32_t o = 0; o < p->out_c; ++o) {                                                                   \
                const ptrdiff_t first = o / outputs * depth;                                                           \
                for (int32_t i = 0; i < size; ++i) {                                                                   \
                    y[i] = 0;                                                                                          \
                }                                                                                                      \
                for (ptrdiff_t c = first; c < first + depth; ++c) {                                                    \
                    add(&p->grid, x + c * plane, w + (kernel_of) * kernel, y);                                         \
                }                                                                                                      \
                for (int32_t i = 0; bias && i < size; ++i) {                                                           \
                    y[i] = (type)((sum)y[i] + (sum)bias[o]);                                                           \
                }                                                                                                      \
                y += size;                                                                                             \
            }                                                                                                          \
            x += p->in_c * plane;                                                                                      \
        }                                                                                                              \
    }

#endif
