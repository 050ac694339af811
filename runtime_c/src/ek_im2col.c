#include "ek_im2col.h"

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

/* Puts one row of a window together that is not as it stands in the input; padding becomes the zero point. */
static void assemble_row(const ek_im2col *walk, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *w = &walk->p->window;
    for (int32_t kx = 0; kx < w->kernel_w; ++kx, x0 += w->dilation_w) {
        if (row == 0 || x0 < 0 || x0 >= w->in_w) {
            to = fill_bytes(to, (int8_t)walk->p->input_zero, w->in_c);
        } else {
            to = copy_bytes(to, row + x0 * w->in_c, w->in_c);
        }
    }
}

/* One row of a window: whole quads into the column, the bytes left to their place. Short rows are not worth a call. */
EK_INLINE uint32_t *widen_row(const int8_t *codes, int32_t quads, int32_t rest, uint32_t minus_zero, uint32_t *column,
                              int8_t *rests)
{
    if (quads > 4) {
        column = ek_widen_column(codes, quads, minus_zero, column);
        codes += 4 * quads;
    } else {
        for (; quads > 0; --quads) {
            const uint32_t word = ek_load32(codes);
            column[0] = ek_sxtab16(minus_zero, word);
            column[1] = ek_sxtab16_odd(minus_zero, word);
            codes += 4;
            column += 4;
        }
    }
    for (; rest > 0; --rest) {
        *rests++ = *codes++;
    }
    return column;
}

/* A window that reaches over the border, or whose taps are apart. Out of line: it would take the registers of the usual
 * way. */
__attribute__((noinline)) static uint32_t *widen_assembled(const ek_im2col *walk, int32_t y0, int32_t x0,
                                                           uint32_t minus_zero, uint32_t *column)
{
    const ek_window *w = &walk->p->window;
    int8_t *rests = walk->rests;
    for (int32_t ky = 0; ky < w->kernel_h; ++ky) {
        const int32_t y = y0 + ky * w->dilation_h;
        const int8_t *row = y < 0 || y >= w->in_h ? 0 : walk->x + y * w->in_w * w->in_c;
        assemble_row(walk, row, x0, walk->bytes);
        column = widen_row(walk->bytes, walk->row_quads, walk->row_rest, minus_zero, column, rests);
        rests += walk->row_rest;
    }
    return column;
}

/* A window as it stands in the input. */
__attribute__((noinline)) static uint32_t *widen_inside(const ek_im2col *walk, const int8_t *codes, uint32_t minus_zero,
                                                        uint32_t *column)
{
    const int32_t quads = walk->row_quads, rest = walk->row_rest, pitch = walk->pitch;
    int8_t *rests = walk->rests;
    for (int32_t ky = walk->p->window.kernel_h; ky > 0; --ky) {
        column = widen_row(codes, quads, rest, minus_zero, column, rests);
        codes += pitch;
        rests += rest;
    }
    return column;
}

/* One window into a column: row by row the whole quads, then what is left of all rows, side by side. */
static void gather_window(ek_im2col *walk, uint32_t minus_zero, uint32_t *column)
{
    const ek_window *w = &walk->p->window;
    const int32_t y0 = walk->row * w->stride_h - w->pad_top, x0 = walk->column * w->stride_w - w->pad_left;
    if (y0 >= 0 && x0 >= 0 && y0 <= walk->last_row && x0 <= walk->last_column) {
        column = widen_inside(walk, walk->x + (y0 * w->in_w + x0) * w->in_c, minus_zero, column);
    } else {
        column = widen_assembled(walk, y0, x0, minus_zero, column);
    }
    widen_row(walk->rests, walk->rest_quads, 0, minus_zero, column, 0);
    if (++walk->column == w->out_w) {
        walk->column = 0;
        ++walk->row;
    }
}

void ek_im2col_next(ek_im2col *walk, int32_t first, int32_t pixels, uint32_t *columns)
{
    const uint32_t minus_zero = ek_pair(-walk->p->input_zero, -walk->p->input_zero);
    const int32_t in_c = walk->p->window.in_c, second_end = 4 * walk->quads - 2;
    const int8_t *x = walk->x + first * in_c;
    if (first == 0) {
        walk->row = 0;
        walk->column = 0;
    }
    for (int32_t i = 0; i < pixels; ++i) {
        if (walk->pointwise) {
            ek_widen_column(x, walk->quads, minus_zero, columns);
            x += in_c;
        } else {
            gather_window(walk, minus_zero, columns);
        }
        columns += (i & 1) ? second_end : 2;
    }
    if (pixels & 1) {
        ek_clear_column(walk->quads, columns);
    }
}

/* Whether every output pixel reads just the input pixel of its own place, whole words of channels. */
static int32_t is_pointwise(const ek_window *w)
{
    return w->kernel_h * w->kernel_w == 1 && w->stride_h * w->stride_w == 1 && (w->in_c & 3) == 0 &&
           w->in_h == w->out_h && w->in_w == w->out_w && (w->pad_top | w->pad_left) == 0;
}

ek_im2col ek_im2col_start(const ek_conv_params *p, const int8_t *x, int8_t *bytes)
{
    const ek_window *w = &p->window;
    const int32_t quads = (w->kernel_h * w->kernel_w * w->in_c + 3) >> 2, row = w->kernel_w * w->in_c;
    ek_im2col walk = {.p = p, .x = x, .quads = quads, .bytes = bytes, .pointwise = is_pointwise(w)};
    walk.row_quads = row >> 2;
    walk.row_rest = row & 3;
    walk.rest_quads = quads - walk.row_quads * w->kernel_h;
    walk.pitch = w->dilation_h * w->in_w * w->in_c;
    walk.last_row = w->in_h - 1 - (w->kernel_h - 1) * w->dilation_h;
    walk.last_column = w->dilation_w == 1 ? w->in_w - w->kernel_w : -1;
    walk.rests = bytes + 4 * ((row + 3) >> 2);
    fill_bytes(walk.rests, (int8_t)p->input_zero, 4 * walk.rest_quads);
    return walk;
}
