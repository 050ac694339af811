#include "ek_spatial.h"

/* `lowest` starts; `better` says whether element v takes the place of `best`. */
#define MAX_POOL(s, type, lowest, better)                                                                              \
    static void row_##s(int32_t count, int32_t stride, const type *x, type *y)                                         \
    {                                                                                                                  \
        for (int32_t i = 0; i < count; ++i) {                                                                          \
            const type v = x[(ptrdiff_t)i * stride];                                                                   \
            const type best = y[i];                                                                                    \
            y[i] = (better) ? v : best;                                                                                \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void row_with_positions_##s(int32_t count, int32_t stride, const type *x, type *y, int64_t position,        \
                                       int32_t step, int64_t *positions)                                               \
    {                                                                                                                  \
        for (int32_t i = 0; i < count; ++i, position += step) {                                                        \
            const type v = x[(ptrdiff_t)i * stride];                                                                   \
            const type best = y[i];                                                                                    \
            if (positions[i] < 0 || (better)) {                                                                        \
                y[i] = v;                                                                                              \
                positions[i] = position;                                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void place_##s(const ek_pool_spatial_params *p, const ek_tap *t, const type *x, type *y, int64_t first,     \
                          int64_t *positions)                                                                          \
    {                                                                                                                  \
        const ek_grid *g = &p->grid;                                                                                   \
        const int32_t *step = p->index_step;                                                                           \
        for (int32_t row = 0; row < t->count[0] * t->count[1]; ++row) {                                                \
            const int32_t z = row / t->count[1];                                                                       \
            const int32_t r = row % t->count[1];                                                                       \
            const type *from = x + ek_tap_wide(g, t, z, r);                                                            \
            const ptrdiff_t to = ek_tap_narrow(g, t, z, r);                                                            \
            if (positions) {                                                                                           \
                const int32_t offset = (t->wide[0] + z * g->stride[0]) * step[0] +                                     \
                                       (t->wide[1] + r * g->stride[1]) * step[1] + t->wide[2] * step[2];               \
                row_with_positions_##s(t->count[2], g->stride[2], from, y + to, first + offset,                        \
                                       g->stride[2] * step[2], positions + to);                                        \
            } else {                                                                                                   \
                row_##s(t->count[2], g->stride[2], from, y + to);                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    void ek_max_pool_##s(const ek_pool_spatial_params *p, const type *x, type *y, int64_t *positions)                  \
    {                                                                                                                  \
        const int32_t size = ek_volume(p->grid.narrow);                                                                \
        const int32_t wide = ek_volume(p->grid.wide);                                                                  \
        const int32_t kernel = ek_volume(p->grid.kernel);                                                              \
        for (int32_t plane = 0; plane < p->planes; ++plane) {                                                          \
            for (int32_t i = 0; i < size; ++i) {                                                                       \
                y[i] = (lowest);                                                                                       \
            }                                                                                                          \
            for (int32_t i = 0; positions && i < size; ++i) {                                                          \
                positions[i] = -1;                                                                                     \
            }                                                                                                          \
            for (int32_t place = 0; place < kernel; ++place) {                                                         \
                ek_tap t;                                                                                              \
                if (ek_tap_at(&p->grid, place, &t)) {                                                                  \
                    place_##s(p, &t, x, y, (int64_t)plane * wide, positions);                                          \
                }                                                                                                      \
            }                                                                                                          \
            for (int32_t i = 0; positions && i < size; ++i) {                                                          \
                positions[i] = positions[i] < 0 ? 0 : positions[i];                                                    \
            }                                                                                                          \
            x += wide;                                                                                                 \
            y += size;                                                                                                 \
            positions = positions ? positions + size : 0;                                                              \
        }                                                                                                              \
    }

MAX_POOL(f32, float, -EK_INF_F32, v > best || (v != v && best == best))
MAX_POOL(f64, double, -EK_INF_F32, v > best || (v != v && best == best))
MAX_POOL(i8, int8_t, INT8_MIN, v > best)
MAX_POOL(u8, uint8_t, 0, v > best)
