#include "ek_kernels.h"

/* Widens n4 groups of four codes, minus the input's zero point, into every other pair of words of a column. */
EK_INLINE void widen(const int8_t *x, int32_t n4, uint32_t minus_zero, uint32_t *column)
{
    for (; n4 > 0; --n4) {
        const uint32_t codes = ek_load32(x);
        column[0] = ek_sxtab16(minus_zero, codes);
        column[1] = ek_sxtab16_odd(minus_zero, codes);
        x += 4;
        column += 4;
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

/* weight_zero times the sum of a column. */
static int32_t zero_correction(const uint32_t *column, int32_t n4, int32_t weight_zero)
{
    int32_t sum = 0;
    for (; n4 > 0; --n4) {
        sum = ek_smlad(column[0], 0x00010001u, sum);
        sum = ek_smlad(column[1], 0x00010001u, sum);
        column += 4;
    }
    return sum * weight_zero;
}

/* Two output channels of two pixels. acc: [channel][pixel]. */
EK_INLINE const uint32_t *multiply_2x2(const uint32_t *w, const uint32_t *columns, int32_t n4, int32_t acc[4])
{
    int32_t a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    for (; n4 > 0; --n4) {
        const uint32_t w0 = w[0], w1 = w[1];
        const uint32_t x0 = columns[0], x1 = columns[1], x2 = columns[2], x3 = columns[3];
        uint32_t even = ek_sxtb16(w0), odd = ek_sxtb16_odd(w0);
        a = ek_smlad(even, x0, a);
        b = ek_smlad(even, x2, b);
        a = ek_smlad(odd, x1, a);
        b = ek_smlad(odd, x3, b);
        even = ek_sxtb16(w1);
        odd = ek_sxtb16_odd(w1);
        c = ek_smlad(even, x0, c);
        d = ek_smlad(even, x2, d);
        c = ek_smlad(odd, x1, c);
        d = ek_smlad(odd, x3, d);
        w += 2;
        columns += 4;
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
    return w;
}

/* All channels of one or two pixels, whose columns stand interleaved. */
static void multiply_columns(const ek_conv_params *p, const uint32_t *w, const ek_channel *channels,
                             const uint32_t *columns, int32_t n4, int32_t pixels, int8_t *y, int32_t twice)
{
    const ek_output out = p->out;
    const int32_t out_c = p->window.out_c;
    int8_t *second = pixels == 2 ? y + out_c : y;
    int32_t correction[2] = {0, 0};
    if (p->weight_zero) {
        correction[0] = zero_correction(columns, n4, p->weight_zero);
        correction[1] = zero_correction(columns + 2, n4, p->weight_zero);
    }
    /* With one pixel, `second` is `y`: the first pixel's codes are written last. */
    for (int32_t c = 0; c < out_c; c += 2) {
        int32_t acc[4];
        acc[0] = channels[0].bias - correction[0];
        acc[1] = channels[0].bias - correction[1];
        acc[2] = channels[1].bias - correction[0];
        acc[3] = channels[1].bias - correction[1];
        w = multiply_2x2(w, columns, n4, acc);
        second[0] = ek_requantize(acc[1], &channels[0], out, twice);
        y[0] = ek_requantize(acc[0], &channels[0], out, twice);
        if (c + 1 < out_c) {
            second[1] = ek_requantize(acc[3], &channels[1], out, twice);
            y[1] = ek_requantize(acc[2], &channels[1], out, twice);
        }
        y += 2;
        second += 2;
        channels += 2;
    }
}

/* 1x1 windows at stride 1: a pixel is its own column. */
EK_INLINE void pointwise(const ek_conv_params *p, const int8_t *x, const uint32_t *w, const ek_channel *channels,
                         int8_t *y, uint32_t *columns, int32_t n4, uint32_t minus_zero, int32_t twice)
{
    const int32_t in_c = p->window.in_c, out_c = p->window.out_c;
    int32_t pixels = p->window.out_h * p->window.out_w;
    for (; pixels >= 2; pixels -= 2) {
        widen(x, n4, minus_zero, columns);
        widen(x + in_c, n4, minus_zero, columns + 2);
        multiply_columns(p, w, channels, columns, n4, 2, y, twice);
        x += 2 * in_c;
        y += 2 * out_c;
    }
    if (pixels) {
        widen(x, n4, minus_zero, columns);
        clear(n4, columns + 2);
        multiply_columns(p, w, channels, columns, n4, 1, y, twice);
    }
}

EK_INLINE void windows(const ek_conv_params *p, const int8_t *x, const uint32_t *w, const ek_channel *channels,
                       int8_t *y, uint32_t *columns, int32_t n4, uint32_t minus_zero, int32_t twice)
{
    const ek_window *g = &p->window;
    int8_t *bytes = (int8_t *)(columns + 4 * n4);
    int32_t waiting = 0;
    if (g->in_c & 3) {
        fill_bytes(bytes, (int8_t)p->input_zero, 4 * n4);
    }
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        const int32_t y0 = oy * g->stride_h - g->pad_top;
        int32_t x0 = -g->pad_left;
        for (int32_t ox = 0; ox < g->out_w; ++ox, x0 += g->stride_w) {
            uint32_t *column = columns + 2 * waiting;
            if (g->in_c & 3) {
                gather_bytes(p, x, y0, x0, bytes);
                widen(bytes, n4, minus_zero, column);
            } else {
                gather_aligned(p, x, y0, x0, minus_zero, column);
            }
            if (++waiting == 2) {
                multiply_columns(p, w, channels, columns, n4, 2, y, twice);
                y += 2 * g->out_c;
                waiting = 0;
            }
        }
    }
    if (waiting) {
        clear(n4, columns + 2);
        multiply_columns(p, w, channels, columns, n4, 1, y, twice);
    }
}

/* Whether every output pixel reads just the input pixel of its own place, whole words of channels. */
static int32_t is_pointwise(const ek_window *g)
{
    return g->kernel_h * g->kernel_w == 1 && g->stride_h * g->stride_w == 1 && (g->in_c & 3) == 0 &&
           g->in_h == g->out_h && g->in_w == g->out_w && (g->pad_top | g->pad_left) == 0;
}

void ek_conv2d_s8_dsp(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y,
                      void *scratch)
{
    const ek_window *g = &p->window;
    const int32_t n4 = (g->kernel_h * g->kernel_w * g->in_c + 3) >> 2;
    const uint32_t minus_zero = ek_pair(-p->input_zero, -p->input_zero);
    const uint32_t *words = (const uint32_t *)(const void *)w;
    uint32_t *columns = (uint32_t *)scratch;
    if (is_pointwise(g)) {
        if (p->out.double_rounding) {
            pointwise(p, x, words, channels, y, columns, n4, minus_zero, 1);
        } else {
            pointwise(p, x, words, channels, y, columns, n4, minus_zero, 0);
        }
    } else if (p->out.double_rounding) {
        windows(p, x, words, channels, y, columns, n4, minus_zero, 1);
    } else {
        windows(p, x, words, channels, y, columns, n4, minus_zero, 0);
    }
}
