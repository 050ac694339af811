#include "ek_bytes.h"
#include "ek_kernels.h"
#include "ek_rows.h"

/* A walk over the windows of one group's input channels. */
typedef struct {
    const ek_conv_params *p;
    const int8_t *x;
    int32_t depth;                 /* channels of the group */
    int32_t row_codes, pitch;      /* of a kernel row, and from one to the next in the input */
    int32_t last_row, last_column; /* of a window inside the input, -1 where its rows are never whole */
    int32_t row, column;           /* of the next window */
} windows;

static windows start_walk(const ek_conv_params *p, const int8_t *x, int32_t depth)
{
    const ek_window *g = &p->window;
    windows walk = {.p = p, .x = x, .depth = depth, .row_codes = g->kernel_w * depth};
    walk.pitch = g->dilation_h * g->in_w * g->in_c;
    walk.last_row = g->in_h - 1 - (g->kernel_h - 1) * g->dilation_h;
    walk.last_column = -1;
    if (g->kernel_w == 1 || (g->dilation_w == 1 && depth == g->in_c)) {
        walk.last_column = g->in_w - g->kernel_w;
    }
    return walk;
}

/* Rows have few codes where input channels are few, and then memcpy would cost more than the copy. */
__attribute__((noinline)) static int8_t *copy(int8_t *to, const int8_t *from, int32_t count)
{
    if (count >= 24) {
        return ek_copy_codes(to, from, count);
    }
    for (; count >= 4; count -= 4) {
        to[0] = from[0];
        to[1] = from[1];
        to[2] = from[2];
        to[3] = from[3];
        to += 4;
        from += 4;
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

/* As above, of padding. */
__attribute__((noinline)) static int8_t *fill(int8_t *to, int8_t value, int32_t count)
{
    if (count >= 24) {
        return ek_fill_codes(to, value, count);
    }
    for (; count > 0; --count) {
        *to++ = value;
    }
    return to;
}

/* A kernel row whose taps are side by side, x0 the first one's column. */
static int8_t *assemble_row(const windows *walk, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int8_t zero = (int8_t)walk->p->input_zero;
    const int32_t before = ek_clamp(-x0, 0, g->kernel_w), behind = ek_clamp(g->in_w - x0, before, g->kernel_w);
    to = fill(to, zero, before * walk->depth);
    to = copy(to, row + (x0 + before) * g->in_c, (behind - before) * walk->depth);
    return fill(to, zero, (g->kernel_w - behind) * walk->depth);
}

/* A window that reaches over the border, or whose taps are apart; padding becomes the zero point. */
static void assemble(const windows *walk, int32_t y0, int32_t x0, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int8_t zero = (int8_t)walk->p->input_zero;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky, y0 += g->dilation_h) {
        const int8_t *row = walk->x + y0 * g->in_w * g->in_c;
        if (y0 < 0 || y0 >= g->in_h) {
            to = fill(to, zero, walk->row_codes);
        } else if (walk->last_column >= 0) {
            to = assemble_row(walk, row, x0, to);
        } else {
            for (int32_t kx = 0, column = x0; kx < g->kernel_w; ++kx, column += g->dilation_w) {
                const int32_t inside = column >= 0 && column < g->in_w;
                to = inside ? copy(to, row + column * g->in_c, walk->depth) : fill(to, zero, walk->depth);
            }
        }
    }
}

/* The next window, as it stands in the input if it is one pixel, else put together `place` codes into the scratch. */
static const int8_t *next_window(windows *walk, int8_t *scratch, int32_t place)
{
    const ek_window *g = &walk->p->window;
    const int32_t y0 = walk->row * g->stride_h - g->pad_top, x0 = walk->column * g->stride_w - g->pad_left;
    if (++walk->column == g->out_w) {
        walk->column = 0;
        ++walk->row;
    }
    if (y0 < 0 || x0 < 0 || y0 > walk->last_row || x0 > walk->last_column) {
        assemble(walk, y0, x0, scratch + place);
        return scratch + place;
    }
    const int8_t *codes = walk->x + (y0 * g->in_w + x0) * g->in_c;
    if (g->kernel_h * g->kernel_w == 1) {
        return codes;
    }
    const int32_t count = walk->row_codes, pitch = walk->pitch;
    int8_t *const to = scratch + place, *end = to;
    for (int32_t left = g->kernel_h; left > 0; --left) {
        end = copy(end, codes, count);
        codes += pitch;
    }
    return to;
}

EK_INLINE void convolve(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, int8_t *scratch, int32_t rounding)
{
    const ek_window *g = &p->window;
    const int32_t depth = g->in_c / p->groups, outputs = g->out_c / p->groups;
    const int32_t filter = g->kernel_h * g->kernel_w * depth;
    for (int32_t group = 0; group < p->groups; ++group) {
        const ek_row_layer layer = {filter, outputs, p->weight_zero, w, channels, p->out};
        windows walk = start_walk(p, x, depth);
        int8_t *to = y;
        for (int32_t left = g->out_h * g->out_w; left > 0;) {
            const int8_t *x0 = next_window(&walk, scratch, 0);
            if (pairs && left > 1) {
                ek_multiply_two_rows(&layer, x0, next_window(&walk, scratch, filter), to, g->out_c, rounding);
                left -= 2;
                to += 2 * g->out_c;
            } else {
                ek_multiply_row(&layer, x0, to, rounding);
                left -= 1;
                to += g->out_c;
            }
        }
        x += depth;
        y += outputs;
        w += outputs * filter;
        channels += outputs;
    }
}

#define CONVOLVE(name, rounding)                                                                                       \
    void name(const ek_conv_params *p, int32_t pairs, const int8_t *x, const int8_t *w, const ek_channel *channels,    \
              int8_t *y, void *scratch)                                                                                \
    {                                                                                                                  \
        convolve(p, pairs, x, w, channels, y, (int8_t *)scratch, rounding);                                            \
    }

CONVOLVE(ek_conv2d_s8_any, EK_ANY)
CONVOLVE(ek_conv2d_s8_once, EK_ONCE_EACH)
CONVOLVE(ek_conv2d_s8_twice, EK_TWICE_EACH)
