/* Convolutions by rows (ek_rows.h): a window is a row of codes, gathered into scratch where it does not stand in the
 * input as it is. */
#ifndef EK_ROW_WINDOWS_H
#define EK_ROW_WINDOWS_H

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
} ek_row_windows;

static inline ek_row_windows ek_start_row_windows(const ek_conv_params *p, const int8_t *x, int32_t depth)
{
    const ek_window *g = &p->window;
    const int32_t whole = g->kernel_w == 1 || (g->dilation_w == 1 && depth == g->in_c);
    const ek_row_windows walk = {
        p,
        x,
        depth,
        g->kernel_w * depth,
        g->dilation_h * g->in_w * g->in_c,
        g->in_h - 1 - (g->kernel_h - 1) * g->dilation_h,
        whole ? g->in_w - g->kernel_w : -1,
        0,
        0,
    };
    return walk;
}

/* Rows have few codes where input channels are few, and then memcpy would cost more than the copy. */
__attribute__((noinline)) static int8_t *ek_copy_run(int8_t *to, const int8_t *from, int32_t count)
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
__attribute__((noinline)) static int8_t *ek_fill_run(int8_t *to, int8_t value, int32_t count)
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
static int8_t *ek_assemble_row(const ek_row_windows *walk, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int8_t zero = (int8_t)walk->p->input_zero;
    const int32_t before = ek_clamp(-x0, 0, g->kernel_w), behind = ek_clamp(g->in_w - x0, before, g->kernel_w);
    to = ek_fill_run(to, zero, before * walk->depth);
    to = ek_copy_run(to, row + (x0 + before) * g->in_c, (behind - before) * walk->depth);
    return ek_fill_run(to, zero, (g->kernel_w - behind) * walk->depth);
}

/* A window that reaches over the border, or whose taps are apart; padding becomes the zero point. */
static void ek_assemble_window(const ek_row_windows *walk, int32_t y0, int32_t x0, int8_t *to)
{
    const ek_window *g = &walk->p->window;
    const int8_t zero = (int8_t)walk->p->input_zero;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky, y0 += g->dilation_h) {
        const int8_t *row = walk->x + y0 * g->in_w * g->in_c;
        if (y0 < 0 || y0 >= g->in_h) {
            to = ek_fill_run(to, zero, walk->row_codes);
        } else if (walk->last_column >= 0) {
            to = ek_assemble_row(walk, row, x0, to);
        } else {
            for (int32_t kx = 0, column = x0; kx < g->kernel_w; ++kx, column += g->dilation_w) {
                const int32_t inside = column >= 0 && column < g->in_w;
                to = inside ? ek_copy_run(to, row + column * g->in_c, walk->depth) : ek_fill_run(to, zero, walk->depth);
            }
        }
    }
}

/* The next window, as it stands in the input if it is one pixel, else put together `place` codes into the scratch. */
static const int8_t *ek_next_row_window(ek_row_windows *walk, int8_t *scratch, int32_t place)
{
    const ek_window *g = &walk->p->window;
    const int32_t y0 = walk->row * g->stride_h - g->pad_top, x0 = walk->column * g->stride_w - g->pad_left;
    if (++walk->column == g->out_w) {
        walk->column = 0;
        ++walk->row;
    }
    if (y0 < 0 || x0 < 0 || y0 > walk->last_row || x0 > walk->last_column) {
        ek_assemble_window(walk, y0, x0, scratch + place);
        return scratch + place;
    }
    const int8_t *codes = walk->x + (y0 * g->in_w + x0) * g->in_c;
    if (g->kernel_h * g->kernel_w == 1) {
        return codes;
    }
    const int32_t count = walk->row_codes, pitch = walk->pitch;
    int8_t *const to = scratch + place, *end = to;
    for (int32_t left = g->kernel_h; left > 0; --left) {
        end = ek_copy_run(end, codes, count);
        codes += pitch;
    }
    return to;
}

/* All windows of the `depth` channels from x times the channels of `layer`, whose codes are y_step apart from pixel to
 * pixel. With `pairs` two windows at a time; scratch as of ek_conv2d_s8_once. */
EK_INLINE void ek_convolve_rows(const ek_conv_params *p, int32_t pairs, const int8_t *x, int32_t depth,
                                const ek_row_layer *layer, int8_t *y, int8_t *scratch, int32_t rounding)
{
    const int32_t y_step = p->window.out_c;
    ek_row_windows walk = ek_start_row_windows(p, x, depth);
    for (int32_t left = p->window.out_h * p->window.out_w; left > 0;) {
        const int8_t *x0 = ek_next_row_window(&walk, scratch, 0);
        if (pairs && left > 1) {
            const int8_t *x1 = ek_next_row_window(&walk, scratch, layer->inputs);
            ek_multiply_two_rows(layer, x0, x1, y, y_step, rounding);
            left -= 2;
            y += 2 * y_step;
        } else {
            ek_multiply_row(layer, x0, y, rounding);
            left -= 1;
            y += y_step;
        }
    }
}

#endif
