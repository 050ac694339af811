#include "ek_sampling.h"

/* One place of the kernel for one input channel: its element at every output, times the mask, into all outputs of the
 * channel's group. */
static void add_place(const ek_deform_conv_params *p, const int32_t *place, const float *x, const float *w,
                      const float *offsets, const float *mask, float *y)
{
    const ek_grid *g = &p->grid;
    const int32_t size = ek_volume(g->narrow);
    const int32_t kernel = ek_volume(g->kernel);
    const ptrdiff_t next_output = (ptrdiff_t)(p->in_c / p->groups) * kernel;
    ek_axis_taps taps[EK_SPATIAL] = {{1, {0}, {1.0f}}, {1, {0}, {1.0f}}, {1, {0}, {1.0f}}};
    for (int32_t i = 0; i < size; ++i) {
        const int32_t at[2] = {i / g->narrow[2], i % g->narrow[2]};
        for (int32_t axis = 1; axis < EK_SPATIAL; ++axis) {
            const int32_t start =
                at[axis - 1] * g->stride[axis] - g->before[axis] + place[axis - 1] * g->dilation[axis];
            const float position = (float)start + offsets[(ptrdiff_t)(axis - 1) * size + i];
            ek_taps_at(position, g->wide[axis], EK_LINEAR, EK_ZEROS, 1, &taps[axis]);
        }
        float element = ek_sample(taps, g->wide, x);
        element = mask ? element * mask[i] : element;
        for (int32_t o = 0; o < p->out_c / p->groups; ++o) {
            y[(ptrdiff_t)o * size + i] += element * w[o * next_output];
        }
    }
}

static void add_channel(const ek_deform_conv_params *p, int32_t c, const float *x, const float *w, const float *offsets,
                        const float *mask, float *y)
{
    const int32_t size = ek_volume(p->grid.narrow);
    const int32_t kernel = ek_volume(p->grid.kernel);
    const int32_t depth = p->in_c / p->groups;
    const int32_t outputs = p->out_c / p->groups;
    const ptrdiff_t first = (ptrdiff_t)(c / depth) * outputs;
    const ptrdiff_t part = (ptrdiff_t)(c / (p->in_c / p->offset_groups)) * kernel;
    for (int32_t k = 0; k < kernel; ++k) {
        const int32_t place[2] = {k / p->grid.kernel[2], k % p->grid.kernel[2]};
        add_place(p, place, x, w + (first * depth + c % depth) * kernel + k, offsets + 2 * (part + k) * size,
                  mask ? mask + (part + k) * size : 0, y + first * size);
    }
}

void ek_deform_conv_f32(const ek_deform_conv_params *p, const float *x, const float *w, const float *offsets,
                        const float *bias, const float *mask, float *y)
{
    const ptrdiff_t size = ek_volume(p->grid.narrow);
    const ptrdiff_t plane = ek_volume(p->grid.wide);
    const ptrdiff_t places = (ptrdiff_t)p->offset_groups * ek_volume(p->grid.kernel) * size;
    for (int32_t n = 0; n < p->batch; ++n) {
        for (ptrdiff_t i = 0; i < p->out_c * size; ++i) {
            y[i] = 0.0f;
        }
        for (int32_t c = 0; c < p->in_c; ++c) {
            add_channel(p, c, x + c * plane, w, offsets, mask, y);
        }
        for (ptrdiff_t i = 0; bias && i < p->out_c * size; ++i) {
            y[i] += bias[i / size];
        }
        x += p->in_c * plane;
        offsets += 2 * places;
        mask = mask ? mask + places : 0;
        y += p->out_c * size;
    }
}
