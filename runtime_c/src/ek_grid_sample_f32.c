#include "ek_sampling.h"

static float position(float n, int32_t size, int32_t aligned)
{
    return aligned ? (n + 1.0f) * 0.5f * (float)(size - 1) : ((n + 1.0f) * (float)size - 1.0f) * 0.5f;
}

void ek_grid_sample_f32(const ek_grid_sample_params *p, const float *x, const float *grid, float *y)
{
    const ptrdiff_t plane = ek_volume(p->shape);
    ek_axis_taps taps[EK_SPATIAL] = {{1, {0}, {1.0f}}, {1, {0}, {1.0f}}, {1, {0}, {1.0f}}};
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t point = 0; point < p->points; ++point, grid += p->axes) {
            for (int32_t i = 0; i < p->axes; ++i) {
                const int32_t axis = EK_SPATIAL - 1 - i;
                const int32_t size = p->shape[axis];
                ek_taps_at(position(grid[i], size, p->aligned), size, p->mode, p->padding, p->aligned, &taps[axis]);
            }
            for (int32_t c = 0; c < p->channels; ++c) {
                y[(ptrdiff_t)c * p->points + point] = ek_sample(taps, p->shape, x + c * plane);
            }
        }
        x += p->channels * plane;
        y += (ptrdiff_t)p->channels * p->points;
    }
}
