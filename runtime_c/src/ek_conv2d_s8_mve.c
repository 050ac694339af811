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

/* A window whose first tap is (y0, x0), row by row. */
static void assemble_window(const ek_conv_params *p, const int8_t *x, int32_t y0, int32_t x0, int8_t *to)
{
    const ek_window *w = &p->window;
    for (int32_t ky = 0; ky < w->kernel_h; ++ky, y0 += w->dilation_h) {
        if (y0 < 0 || y0 >= w->in_h) {
            to = ek_fill_codes(to, (int8_t)p->input_zero, w->kernel_w * w->in_c);
        } else {
            to = assemble_row(p, x + y0 * w->in_w * w->in_c, x0, to);
        }
    }
}

/* A window as it stands in the input: rows of `codes` codes, `pitch` apart. */
static inline void copy_window(const int8_t *from, int32_t rows, int32_t codes, int32_t pitch, int8_t *to)
{
    for (; rows > 0; --rows) {
        to = ek_copy_codes(to, from, codes);
        from += pitch;
    }
}

EK_INLINE void convolve(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, int8_t *columns,
                        ek_dots_run *run)
{
    const ek_window w = p->window;
    const int32_t row_codes = w.kernel_w * w.in_c, inputs = w.kernel_h * row_codes, column = (inputs + 15) & ~15;
    const int32_t pitch = w.dilation_h * w.in_w * w.in_c, last_y = w.in_h - 1 - (w.kernel_h - 1) * w.dilation_h;
    const int32_t last_x = w.dilation_w == 1 ? w.in_w - w.kernel_w : -1;
    ek_dots_layer layer = ek_dots_start(table, inputs, w.out_c, w.out_c, p->out);
    int32_t second = 0;
    ek_fill_codes(columns + inputs, 0, column - inputs);
    ek_fill_codes(columns + column + inputs, 0, column - inputs);
    for (int32_t oy = 0, y0 = -w.pad_top; oy < w.out_h; ++oy, y0 += w.stride_h) {
        const int32_t inside = y0 >= 0 && y0 <= last_y;
        for (int32_t ox = 0, x0 = -w.pad_left; ox < w.out_w; ++ox, x0 += w.stride_w) {
            int8_t *to = columns + second;
            if (inside && x0 >= 0 && x0 <= last_x) {
                copy_window(x + (y0 * w.in_w + x0) * w.in_c, w.kernel_h, row_codes, pitch, to);
            } else {
                assemble_window(p, x, y0, x0, to);
            }
            if (second) {
                ek_dots_pixels(&layer, columns, to, y, run);
                y += 2 * w.out_c;
            }
            second = column - second;
        }
    }
    if (second) {
        ek_dots_pixels(&layer, columns, columns, y, run);
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
