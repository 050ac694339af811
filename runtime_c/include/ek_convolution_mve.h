/* Convolutions by dot products of sixteen codes (ek_dots.h): windows are copied, two at a time. */
#ifndef EK_CONVOLUTION_MVE_H
#define EK_CONVOLUTION_MVE_H

#include "ek_bytes.h"
#include "ek_dots.h"
#include "ek_kernels.h"

/* One row of a window that reaches over the border, or whose taps are apart; padding becomes the zero point. */
static int8_t *ek_assemble_taps(const ek_conv_params *p, const int8_t *row, int32_t x0, int8_t *to)
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

/* A window whose first tap is (y0, x0), row by row. */
static void ek_assemble_columns(const ek_conv_params *p, const int8_t *x, int32_t y0, int32_t x0, int8_t *to)
{
    const ek_window *w = &p->window;
    for (int32_t ky = 0; ky < w->kernel_h; ++ky, y0 += w->dilation_h) {
        if (y0 < 0 || y0 >= w->in_h) {
            to = ek_fill_codes(to, (int8_t)p->input_zero, w->kernel_w * w->in_c);
        } else {
            to = ek_assemble_taps(p, x + y0 * w->in_w * w->in_c, x0, to);
        }
    }
}

/* A window as it stands in the input: rows of `codes` codes, `pitch` apart. */
static inline void ek_copy_columns(const int8_t *from, int32_t rows, int32_t codes, int32_t pitch, int8_t *to)
{
    for (; rows > 0; --rows) {
        to = ek_copy_codes(to, from, codes);
        from += pitch;
    }
}

/* Inputs of a window. */
static inline int32_t ek_window_inputs(const ek_conv_params *p)
{
    return p->window.kernel_h * p->window.kernel_w * p->window.in_c;
}

/* The channels of `layer` at all windows; columns: two windows, each rounded up to sixteen codes. */
EK_INLINE void ek_convolve_dots(const ek_conv_params *p, const int8_t *x, ek_dots_layer *layer, int8_t *y,
                                int8_t *columns, ek_dots_run *run)
{
    const ek_window w = p->window;
    const int32_t row_codes = w.kernel_w * w.in_c, inputs = w.kernel_h * row_codes, column = (inputs + 15) & ~15;
    const int32_t pitch = w.dilation_h * w.in_w * w.in_c, last_y = w.in_h - 1 - (w.kernel_h - 1) * w.dilation_h;
    const int32_t last_x = w.dilation_w == 1 ? w.in_w - w.kernel_w : -1;
    int32_t second = 0;
    ek_fill_codes(columns + inputs, 0, column - inputs);
    ek_fill_codes(columns + column + inputs, 0, column - inputs);
    for (int32_t oy = 0, y0 = -w.pad_top; oy < w.out_h; ++oy, y0 += w.stride_h) {
        const int32_t inside = y0 >= 0 && y0 <= last_y;
        for (int32_t ox = 0, x0 = -w.pad_left; ox < w.out_w; ++ox, x0 += w.stride_w) {
            int8_t *to = columns + second;
            if (inside && x0 >= 0 && x0 <= last_x) {
                ek_copy_columns(x + (y0 * w.in_w + x0) * w.in_c, w.kernel_h, row_codes, pitch, to);
            } else {
                ek_assemble_columns(p, x, y0, x0, to);
            }
            if (second) {
                ek_dots_pixels(layer, columns, to, y, run);
                y += 2 * layer->y_step;
            }
            second = column - second;
        }
    }
    if (second) {
        ek_dots_pixels(layer, columns, columns, y, run);
    }
}

#endif
