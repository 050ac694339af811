#include "ek_im2col.h"

/* Widens n4 groups of four codes, minus the input's zero point, into every other pair of words of a column. */
static void widen(const int8_t *x, int32_t n4, uint32_t minus_zero, uint32_t *column)
{
    for (; n4 >= 2; n4 -= 2) {
        const uint32_t codes = ek_load32(x), next = ek_load32(x + 4);
        column[0] = ek_sxtab16(minus_zero, codes);
        column[1] = ek_sxtab16_odd(minus_zero, codes);
        column[4] = ek_sxtab16(minus_zero, next);
        column[5] = ek_sxtab16_odd(minus_zero, next);
        x += 8;
        column += 8;
    }
    if (n4 > 0) {
        const uint32_t codes = ek_load32(x);
        column[0] = ek_sxtab16(minus_zero, codes);
        column[1] = ek_sxtab16_odd(minus_zero, codes);
    }
}

static void clear(int32_t n4, uint32_t *column)
{
    for (; n4 > 0; --n4) {
        column[0] = 0;
        column[1] = 0;
        column += 4;
    }
}

/* in_c is a multiple of four: windows are gathered a tap, or a row of taps, at a time. */
static void gather_aligned(const ek_conv_params *p, const int8_t *x, int32_t y0, int32_t x0, uint32_t minus_zero,
                           uint32_t *column)
{
    const ek_window *g = &p->window;
    const int32_t quads = g->in_c >> 2;
    const int32_t whole_row = g->dilation_w == 1 && x0 >= 0 && x0 + g->kernel_w <= g->in_w;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        if (row < 0 || row >= g->in_h) {
            clear(quads * g->kernel_w, column);
            column += 4 * quads * g->kernel_w;
        } else if (whole_row) {
            widen(x + (row * g->in_w + x0) * g->in_c, quads * g->kernel_w, minus_zero, column);
            column += 4 * quads * g->kernel_w;
        } else {
            int32_t at = x0;
            for (int32_t kx = 0; kx < g->kernel_w; ++kx, at += g->dilation_w, column += 4 * quads) {
                if (at < 0 || at >= g->in_w) {
                    clear(quads, column);
                } else {
                    widen(x + (row * g->in_w + at) * g->in_c, quads, minus_zero, column);
                }
            }
        }
    }
}

static int8_t *fill_bytes(int8_t *to, int8_t value, int32_t count)
{
    for (; count > 0; --count) {
        *to++ = value;
    }
    return to;
}

static int8_t *copy_bytes(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 4; count -= 4) {
        const uint32_t word = ek_load32(from);
        memcpy(to, &word, sizeof word);
        to += 4;
        from += 4;
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

/* Any in_c: the window's bytes are put side by side first (padding becomes the zero point), then widened. */
static void gather_bytes(const ek_conv_params *p, const int8_t *x, int32_t y0, int32_t x0, int8_t *bytes)
{
    const ek_window *g = &p->window;
    const int8_t zero = (int8_t)p->input_zero;
    const int32_t whole_row = g->dilation_w == 1 && x0 >= 0 && x0 + g->kernel_w <= g->in_w;
    for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
        const int32_t row = y0 + ky * g->dilation_h;
        if (row < 0 || row >= g->in_h) {
            bytes = fill_bytes(bytes, zero, g->kernel_w * g->in_c);
        } else if (whole_row) {
            bytes = copy_bytes(bytes, x + (row * g->in_w + x0) * g->in_c, g->kernel_w * g->in_c);
        } else {
            int32_t at = x0;
            for (int32_t kx = 0; kx < g->kernel_w; ++kx, at += g->dilation_w) {
                if (at < 0 || at >= g->in_w) {
                    bytes = fill_bytes(bytes, zero, g->in_c);
                } else {
                    bytes = copy_bytes(bytes, x + (row * g->in_w + at) * g->in_c, g->in_c);
                }
            }
        }
    }
}

/* One window into a column. */
static void gather_window(ek_im2col *walk, uint32_t minus_zero, uint32_t *column)
{
    const ek_window *window = &walk->p->window;
    const int32_t y0 = walk->row * window->stride_h - window->pad_top;
    const int32_t x0 = walk->column * window->stride_w - window->pad_left;
    if (window->in_c & 3) {
        gather_bytes(walk->p, walk->x, y0, x0, walk->bytes);
        widen(walk->bytes, walk->quads, minus_zero, column);
    } else {
        gather_aligned(walk->p, walk->x, y0, x0, minus_zero, column);
    }
    if (++walk->column == window->out_w) {
        walk->column = 0;
        ++walk->row;
    }
}

void ek_im2col_next(ek_im2col *walk, int32_t pixels)
{
    const uint32_t minus_zero = ek_pair(-walk->p->input_zero, -walk->p->input_zero);
    uint32_t *column = walk->columns;
    for (int32_t i = 0; i < pixels; ++i) {
        if (walk->pointwise) {
            widen(walk->x, walk->quads, minus_zero, column);
            walk->x += walk->p->window.in_c;
        } else {
            gather_window(walk, minus_zero, column);
        }
        column += (i & 1) ? 4 * walk->quads - 2 : 2;
    }
    if (pixels & 1) {
        clear(walk->quads, column);
    }
}

/* Whether every output pixel reads just the input pixel of its own place, whole words of channels. */
static int32_t is_pointwise(const ek_window *w)
{
    return w->kernel_h * w->kernel_w == 1 && w->stride_h * w->stride_w == 1 && (w->in_c & 3) == 0 &&
           w->in_h == w->out_h && w->in_w == w->out_w && (w->pad_top | w->pad_left) == 0;
}

ek_im2col ek_im2col_start(const ek_conv_params *p, const int8_t *x, uint32_t *columns, int32_t group_pairs)
{
    const ek_window *w = &p->window;
    const int32_t quads = (w->kernel_h * w->kernel_w * w->in_c + 3) >> 2;
    ek_im2col walk = {p, x, quads, is_pointwise(w), 0, 0, columns, 0};
    walk.bytes = (int8_t *)(columns + 4 * quads * group_pairs);
    if (w->in_c & 3) {
        fill_bytes(walk.bytes, (int8_t)p->input_zero, 4 * quads);
    }
    return walk;
}
