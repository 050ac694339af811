#include "ek_spatial.h"

static void add_place(const ek_grid *g, int32_t place, const float *x, float *y)
{
    ek_tap t;
    if (!ek_tap_at(g, place, &t)) {
        return;
    }
    for (int32_t row = 0; row < t.count[0] * t.count[1]; ++row) {
        const float *from = x + ek_tap_narrow(g, &t, row / t.count[1], row % t.count[1]);
        float *to = y + ek_tap_wide(g, &t, row / t.count[1], row % t.count[1]);
        for (int32_t i = 0; i < t.count[2]; ++i) {
            to[(ptrdiff_t)i * g->stride[2]] += from[i];
        }
    }
}

void ek_col2im_f32(const ek_pool_spatial_params *p, const float *x, float *y)
{
    const int32_t size = ek_volume(p->grid.wide);
    const int32_t kernel = ek_volume(p->grid.kernel);
    for (int32_t plane = 0; plane < p->planes; ++plane) {
        for (int32_t i = 0; i < size; ++i) {
            y[i] = 0.0f;
        }
        for (int32_t place = 0; place < kernel; ++place) {
            add_place(&p->grid, place, x, y);
            x += ek_volume(p->grid.narrow);
        }
        y += size;
    }
}
