#include "ek_codes.h"

/* Which places of the kernel meet the input at one output: first wide position, then first place and behind the last.
 */
typedef struct {
    int32_t from[EK_SPATIAL], first[EK_SPATIAL], end[EK_SPATIAL];
} reach;

static void reach_of(const ek_grid *g, int32_t position, reach *r)
{
    for (int32_t axis = EK_SPATIAL - 1; axis >= 0; --axis) {
        const int32_t step = g->dilation[axis];
        const int32_t from = position % g->narrow[axis] * g->stride[axis] - g->before[axis];
        const int32_t room = g->wide[axis] - from;
        const int32_t end = room > 0 ? (room - 1) / step + 1 : 0;
        r->from[axis] = from;
        r->first[axis] = from < 0 ? (-from - 1) / step + 1 : 0;
        r->end[axis] = end < g->kernel[axis] ? end : g->kernel[axis];
        position /= g->narrow[axis];
    }
}

/* Products of one channel of the input with its kernel. */
static int32_t channel_sum(const ek_conv_s8_params *p, const reach *r, const int8_t *x, const int8_t *w)
{
    const ek_grid *g = &p->spatial.grid;
    int32_t acc = 0;
    for (int32_t k = r->first[0]; k < r->end[0]; ++k) {
        for (int32_t l = r->first[1]; l < r->end[1]; ++l) {
            const ptrdiff_t plane = r->from[0] + (ptrdiff_t)k * g->dilation[0];
            const ptrdiff_t row = plane * g->wide[1] + r->from[1] + (ptrdiff_t)l * g->dilation[1];
            const int8_t *from = x + row * g->wide[2];
            const int8_t *weights = w + ((ptrdiff_t)k * g->kernel[1] + l) * g->kernel[2];
            for (int32_t m = r->first[2]; m < r->end[2]; ++m) {
                acc += (from[r->from[2] + m * g->dilation[2]] - p->input_zero) * (weights[m] - p->weight_zero);
            }
        }
    }
    return acc;
}

void ek_conv_s8(const ek_conv_s8_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y)
{
    const ek_conv_s8_params q = *p; /* stores to y may alias anything behind a pointer */
    const int32_t depth = q.spatial.in_c / q.spatial.groups;
    const int32_t outputs = q.spatial.out_c / q.spatial.groups;
    const int32_t size = ek_volume(q.spatial.grid.narrow);
    const ptrdiff_t plane = ek_volume(q.spatial.grid.wide);
    const ptrdiff_t kernel = ek_volume(q.spatial.grid.kernel);
    for (int32_t n = 0; n < q.spatial.batch; ++n, x += q.spatial.in_c * plane) {
        for (int32_t o = 0; o < q.spatial.out_c; ++o) {
            const int8_t *group = x + (ptrdiff_t)(o / outputs) * depth * plane;
            const int8_t *weights = w + (ptrdiff_t)o * depth * kernel;
            for (int32_t i = 0; i < size; ++i) {
                reach r;
                reach_of(&q.spatial.grid, i, &r);
                int32_t acc = channels[o].bias;
                for (int32_t c = 0; c < depth; ++c) {
                    acc += channel_sum(&q, &r, group + c * plane, weights + c * kernel);
                }
                *y++ = q.out.double_rounding ? ek_requantize(acc, channels + o, q.out, 1)
                                             : ek_requantize(acc, channels + o, q.out, 0);
            }
        }
    }
}
