#include "ek_bytes.h"
#include "ek_kernels.h"
#include "ek_rows.h"

/* A walk over the windows of one group's input channels. */
typedef struct {
    const ek_conv_params *p;
    const int8_t *x;
    int32_t depth;       /* channels of the group */
    int32_t row, column; /* of the next window */
} windows;

/* Codes are few where input channels are, and then a call would cost more than their copy. */
static int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    if (count >= 16) {
        return ek_copy_codes(to, from, count);
    }
    for (int8_t *const end = to + count; to != end;) {
        *to++ = *from++;
    }
    return to;
}

/* One row of a window; padding becomes the zero point. */
static int8_t *gather_row(const windows *walk, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int32_t pixel = g->in_c;
    if (row && g->dilation_w == 1 && walk->depth == pixel && x0 >= 0 && x0 + g->kernel_w <= g->in_w) {
        return copy(to, row + x0 * pixel, g->kernel_w * pixel);
    }
    for (int32_t kx = 0; kx < g->kernel_w; ++kx, x0 += g->dilation_w) {
        if (row == 0 || x0 < 0 || x0 >= g->in_w) {
            to = ek_fill_codes(to, (int8_t)walk->p->input_zero, walk->depth);
        } else {
            to = copy(to, row + x0 * pixel, walk->depth);
        }
    }
    return to;
}

/* The next window, as it stands in the input if it is one pixel, else put together at `to`. */
static const int8_t *next_window(windows *walk, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int32_t x0 = walk->column * g->stride_w - g->pad_left;
    int32_t y0 = walk->row * g->stride_h - g->pad_top;
    if (++walk->column == g->out_w) {
        walk->column = 0;
        ++walk->row;
    }
    if (g->kernel_h * g->kernel_w == 1 && y0 >= 0 && y0 < g->in_h && x0 >= 0 && x0 < g->in_w) {
        return walk->x + (y0 * g->in_w + x0) * g->in_c;
    }
    int8_t *end = to;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky, y0 += g->dilation_h) {
        end = gather_row(walk, y0 < 0 || y0 >= g->in_h ? 0 : walk->x + y0 * g->in_w * g->in_c, x0, end);
    }
    return to;
}

#define CONVOLVE(rounding)                                                                                             \
    void ek_conv2d_s8_##rounding(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,             \
                                 const ek_channel *channels, int8_t *y, void *scratch)                                 \
    {                                                                                                                  \
        const ek_window *g = &p->window;                                                                               \
        const int32_t depth = g->in_c / p->groups, outputs = g->out_c / p->groups;                                     \
        const int32_t filter = g->kernel_h * g->kernel_w * depth;                                                      \
        int8_t *const first = (int8_t *)scratch;                                                                       \
        for (int32_t group = 0; group < p->groups; ++group) {                                                          \
            const ek_row_layer layer = {filter, outputs, p->weight_zero, w, channels, p->out};                         \
            windows walk = {p, x, depth, 0, 0};                                                                        \
            int8_t *to = y;                                                                                            \
            for (int32_t left = g->out_h * g->out_w; left > 0;) {                                                      \
                const int8_t *x0 = next_window(&walk, first);                                                          \
                if (pairs && left > 1) {                                                                               \
                    const int8_t *x1 = next_window(&walk, first + filter);                                             \
                    ek_multiply_two_rows_##rounding(&layer, x0, x1, to, g->out_c);                                     \
                    left -= 2;                                                                                         \
                    to += 2 * g->out_c;                                                                                \
                } else {                                                                                               \
                    ek_multiply_row_##rounding(&layer, x0, to);                                                        \
                    left -= 1;                                                                                         \
                    to += g->out_c;                                                                                    \
                }                                                                                                      \
            }                                                                                                          \
            x += depth;                                                                                                \
            y += outputs;                                                                                              \
            w += outputs * filter;                                                                                     \
            channels += outputs;                                                                                       \
        }                                                                                                              \
    }

CONVOLVE(any)
CONVOLVE(once)
CONVOLVE(twice)
