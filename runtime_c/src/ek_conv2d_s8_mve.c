#include "ek_bytes.h"
#include "ek_dots.h"
#include "ek_kernels.h"

/* One row of a window that reaches over the border, or whose taps are apart; padding becomes the zero point. */
static int8_t *assemble_row(const ek_conv_params *p, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *w = &p->window;
    for (int32_t kx = 0; kx < w->kernel_w; ++kx, x0 += w->dilation_w) {
        if (x0 < 0 || x0 >= w->in_w) {
            to = ek_fill_codes(to, (int8_t)p->input_zero, w->in_c);
        } else {
            to = ek_copy_codes(to, row + x0 * w->in_c, w->in_c);
        }
    }
    return to;
}

/* The window of the output pixel at (oy, ox), row by row; returns its end. */
static int8_t *copy_window(const ek_conv_params *p, const int8_t *x, int32_t oy, int32_t ox, int8_t *to)
{
    const ek_window *w = &p->window;
    const int32_t row_codes = w->kernel_w * w->in_c, x0 = ox * w->stride_w - w->pad_left;
    const int32_t inside = x0 >= 0 && x0 + w->kernel_w <= w->in_w && w->dilation_w == 1;
    int32_t y0 = oy * w->stride_h - w->pad_top;
    for (int32_t ky = 0; ky < w->kernel_h; ++ky, y0 += w->dilation_h) {
        const int8_t *row = x + y0 * w->in_w * w->in_c;
        if (y0 < 0 || y0 >= w->in_h) {
            to = ek_fill_codes(to, (int8_t)p->input_zero, row_codes);
        } else if (inside) {
            to = ek_copy_codes(to, row + x0 * w->in_c, row_codes);
        } else {
            to = assemble_row(p, row, x0, to);
        }
    }
    return to;
}

EK_INLINE void convolve(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, int8_t *columns,
                        ek_dots_run *run)
{
    const int32_t inputs = p->window.kernel_h * p->window.kernel_w * p->window.in_c, column = (inputs + 15) & ~15;
    const int32_t pixels = p->window.out_h * p->window.out_w;
    ek_dots_layer layer = ek_dots_start(table, inputs, p->window.out_c, p->window.out_c, p->out);
    int32_t oy = 0, ox = 0;
    ek_fill_codes(columns + inputs, 0, column - inputs);
    ek_fill_codes(columns + column + inputs, 0, column - inputs);
    for (int32_t pixel = 0; pixel < pixels; ++pixel) {
        const int32_t second = pixel & 1;
        copy_window(p, x, oy, ox, columns + second * column);
        if (++ox == p->window.out_w) {
            ox = 0;
            ++oy;
        }
        if (second || pixel + 1 == pixels) {
            ek_dots_pixels(&layer, columns, columns + second * column, y, run);
            y += 2 * p->window.out_c;
        }
    }
}

void ek_conv2d_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch)
{
    convolve(p, x, table, y, (int8_t *)scratch, ek_dots_twice);
}

void ek_conv2d_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch)
{
    convolve(p, x, table, y, (int8_t *)scratch, ek_dots_once);
}
