#include "ek_spatial.h"

/* Every output is one accumulator, which y itself holds: channel by channel, place by place, then the bias. */
#define CONV(s, type, sum)                                                                                             \
    static void add_channel_##s(const ek_grid *g, const type *x, const type *w, type *y)                               \
    {                                                                                                                  \
        const int32_t places = ek_volume(g->kernel);                                                                   \
        for (int32_t place = 0; place < places; ++place) {                                                             \
            ek_tap t;                                                                                                  \
            if (!ek_tap_at(g, place, &t)) {                                                                            \
                continue;                                                                                              \
            }                                                                                                          \
            for (int32_t row = 0; row < t.count[0] * t.count[1]; ++row) {                                              \
                const type *from = x + ek_tap_wide(g, &t, row / t.count[1], row % t.count[1]);                         \
                type *to = y + ek_tap_narrow(g, &t, row / t.count[1], row % t.count[1]);                               \
                for (int32_t i = 0; i < t.count[2]; ++i) {                                                             \
                    to[i] = (type)((sum)to[i] + (sum)from[(ptrdiff_t)i * g->stride[2]] * (sum)w[place]);               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    void ek_conv_##s(const ek_conv_spatial_params *p, const type *x, const type *w, const type *bias, type *y)         \
    {                                                                                                                  \
        const int32_t depth = p->in_c / p->groups;                                                                     \
        const int32_t outputs = p->out_c / p->groups;                                                                  \
        const int32_t size = ek_volume(p->grid.narrow);                                                                \
        const ptrdiff_t plane = ek_volume(p->grid.wide);                                                               \
        const ptrdiff_t kernel = ek_volume(p->grid.kernel);                                                            \
        for (int32_t n = 0; n < p->batch; ++n) {                                                                       \
            for (int32_t o = 0; o < p->out_c; ++o) {                                                                   \
                for (int32_t i = 0; i < size; ++i) {                                                                   \
                    y[i] = 0;                                                                                          \
                }                                                                                                      \
                for (int32_t c = 0; c < depth; ++c) {                                                                  \
                    const type *channel = x + (o / outputs * depth + c) * plane;                                       \
                    add_channel_##s(&p->grid, channel, w + ((ptrdiff_t)o * depth + c) * kernel, y);                    \
                }                                                                                                      \
                for (int32_t i = 0; bias && i < size; ++i) {                                                           \
                    y[i] = (type)((sum)y[i] + (sum)bias[o]);                                                           \
                }                                                                                                      \
                y += size;                                                                                             \
            }                                                                                                          \
            x += p->in_c * plane;                                                                                      \
        }                                                                                                              \
    }

EK_CONV_TYPES(CONV)
