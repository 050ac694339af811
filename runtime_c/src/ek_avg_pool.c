#include "ek_spatial.h"

/* How many places of window `i` lie in [low, high) of an axis. */
static int32_t inside(const ek_grid *g, int32_t axis, int32_t i, int32_t low, int32_t high)
{
    int32_t count = 0;
    for (int32_t k = 0; k < g->kernel[axis]; ++k) {
        const int32_t at = i * g->stride[axis] + k * g->dilation[axis] - g->before[axis];
        count += at >= low && at < high;
    }
    return count;
}

static int32_t places(const ek_pool_spatial_params *p, int32_t position)
{
    const ek_grid *g = &p->grid;
    int32_t count = 1;
    for (int32_t axis = EK_SPATIAL - 1; axis >= 0; --axis) {
        const int32_t low = p->padded ? -g->before[axis] : 0;
        const int32_t high = g->wide[axis] + (p->padded ? p->after[axis] : 0);
        count *= inside(g, axis, position % g->narrow[axis], low, high);
        position /= g->narrow[axis];
    }
    return count;
}

#define AVG_POOL(s, type)                                                                                              \
    void ek_avg_pool_##s(const ek_pool_spatial_params *p, const type *x, type *y)                                      \
    {                                                                                                                  \
        const ek_grid *g = &p->grid;                                                                                   \
        const int32_t size = ek_volume(g->narrow);                                                                     \
        const int32_t kernel = ek_volume(g->kernel);                                                                   \
        for (int32_t plane = 0; plane < p->planes; ++plane) {                                                          \
            for (int32_t i = 0; i < size; ++i) {                                                                       \
                y[i] = 0;                                                                                              \
            }                                                                                                          \
            for (int32_t place = 0; place < kernel; ++place) {                                                         \
                ek_tap t;                                                                                              \
                const int32_t rows = ek_tap_at(g, place, &t) ? t.count[0] * t.count[1] : 0;                            \
                for (int32_t row = 0; row < rows; ++row) {                                                             \
                    const type *from = x + ek_tap_wide(g, &t, row / t.count[1], row % t.count[1]);                     \
                    type *to = y + ek_tap_narrow(g, &t, row / t.count[1], row % t.count[1]);                           \
                    for (int32_t i = 0; i < t.count[2]; ++i) {                                                         \
                        to[i] += from[(ptrdiff_t)i * g->stride[2]];                                                    \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            for (int32_t i = 0; p->divides && i < size; ++i) {                                                         \
                y[i] /= (type)places(p, i);                                                                            \
            }                                                                                                          \
            x += ek_volume(g->wide);                                                                                   \
            y += size;                                                                                                 \
        }                                                                                                              \
    }

AVG_POOL(f32, float)
AVG_POOL(f64, double)
