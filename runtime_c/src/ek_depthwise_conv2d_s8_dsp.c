#include "ek_kernels.h"

/* The part of a window that lies inside the input: taps from w on, pixels from x on, both stepping by rows. */
typedef struct {
    const int8_t *x, *w;
    int32_t rows, columns;
    int32_t x_row, x_step, w_row;
} taps;

/* One tap of four channels. */
#define EK_TAP(x_offset, w_offset)                                                                                     \
    do {                                                                                                               \
        const uint32_t codes = ek_load32(x + (x_offset)), weights = ek_load32(w + (w_offset));                         \
        const uint32_t x_even = ek_sxtab16(x_base, codes), w_even = ek_sxtab16(w_base, weights);                       \
        const uint32_t x_odd = ek_sxtab16_odd(x_base, codes), w_odd = ek_sxtab16_odd(w_base, weights);                 \
        a = ek_smlabb(x_even, w_even, a);                                                                              \
        b = ek_smlabb(x_odd, w_odd, b);                                                                                \
        c = ek_smlatt(x_even, w_even, c);                                                                              \
        d = ek_smlatt(x_odd, w_odd, d);                                                                                \
    } while (0)

/* Four channels at once; `three` says that every row has exactly three taps. */
EK_INLINE void accumulate_4(const taps *t, int32_t w_step, uint32_t x_base, uint32_t w_base, int32_t three,
                            int32_t acc[4])
{
    const int8_t *x = t->x, *w = t->w;
    const int32_t x_step = t->x_step, x_row = t->x_row, w_row = t->w_row, columns = t->columns;
    int32_t a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    for (int32_t row = t->rows; row > 0; --row) {
        if (three) {
            EK_TAP(0, 0);
            EK_TAP(x_step, w_step);
            EK_TAP(2 * x_step, 2 * w_step);
            x += 3 * x_step;
            w += 3 * w_step;
        } else {
            for (int32_t column = columns; column > 0; --column) {
                EK_TAP(0, 0);
                x += x_step;
                w += w_step;
            }
        }
        x += x_row;
        w += w_row;
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
}

static int32_t accumulate_1(const taps *t, int32_t w_step, int32_t x_zero, int32_t w_zero, int32_t acc)
{
    const int8_t *x = t->x, *w = t->w;
    for (int32_t row = t->rows; row > 0; --row) {
        for (int32_t column = t->columns; column > 0; --column) {
            acc += (*x - x_zero) * (*w - w_zero);
            x += t->x_step;
            w += w_step;
        }
        x += t->x_row;
        w += t->w_row;
    }
    return acc;
}

/* First tap inside, and how many are, along one axis. */
static int32_t inside(int32_t start, int32_t size, int32_t kernel, int32_t dilation, int32_t *first)
{
    int32_t low = 0, high = kernel;
    while (low < kernel && start + low * dilation < 0) {
        ++low;
    }
    while (high > low && start + (high - 1) * dilation >= size) {
        --high;
    }
    *first = low;
    return high - low;
}

EK_INLINE void pixel(const ek_conv_params *p, taps t, const ek_channel *channels, int8_t *y, int32_t three,
                     int32_t twice)
{
    const ek_output out = p->out;
    const int32_t channel_count = p->window.in_c;
    const uint32_t x_base = ek_pair(-p->input_zero, -p->input_zero);
    const uint32_t w_base = ek_pair(-p->weight_zero, -p->weight_zero);
    int32_t c = 0;
    for (; c + 4 <= channel_count; c += 4) {
        int32_t acc[4] = {channels[0].bias, channels[1].bias, channels[2].bias, channels[3].bias};
        accumulate_4(&t, channel_count, x_base, w_base, three, acc);
        y[0] = ek_requantize(acc[0], &channels[0], out, twice);
        y[1] = ek_requantize(acc[1], &channels[1], out, twice);
        y[2] = ek_requantize(acc[2], &channels[2], out, twice);
        y[3] = ek_requantize(acc[3], &channels[3], out, twice);
        t.x += 4;
        t.w += 4;
        y += 4;
        channels += 4;
    }
    for (; c < channel_count; ++c) {
        const int32_t acc = accumulate_1(&t, channel_count, p->input_zero, p->weight_zero, channels->bias);
        *y++ = ek_requantize(acc, channels++, out, twice);
        ++t.x;
        ++t.w;
    }
}

/* Instances of `pixel`, by rounding and by whether rows have three taps. */
static void pixel_twice(const ek_conv_params *p, const taps *t, const ek_channel *channels, int8_t *y)
{
    if (t->columns == 3) {
        pixel(p, *t, channels, y, 1, 1);
    } else {
        pixel(p, *t, channels, y, 0, 1);
    }
}

static void pixel_once(const ek_conv_params *p, const taps *t, const ek_channel *channels, int8_t *y)
{
    if (t->columns == 3) {
        pixel(p, *t, channels, y, 1, 0);
    } else {
        pixel(p, *t, channels, y, 0, 0);
    }
}

void ek_depthwise_conv2d_s8_dsp(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                                int8_t *y)
{
    const ek_window *g = &p->window;
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        const int32_t y0 = oy * g->stride_h - g->pad_top;
        int32_t first_row;
        const int32_t rows = inside(y0, g->in_h, g->kernel_h, g->dilation_h, &first_row);
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            const int32_t x0 = ox * g->stride_w - g->pad_left;
            int32_t first_column;
            taps t;
            t.rows = rows;
            t.columns = inside(x0, g->in_w, g->kernel_w, g->dilation_w, &first_column);
            t.x_step = g->dilation_w * g->in_c;
            t.x_row = (g->dilation_h * g->in_w) * g->in_c - t.columns * t.x_step;
            t.w_row = (g->kernel_w - t.columns) * g->in_c;
            if (t.rows > 0 && t.columns > 0) {
                const int32_t row = y0 + first_row * g->dilation_h, column = x0 + first_column * g->dilation_w;
                t.x = x + (row * g->in_w + column) * g->in_c;
                t.w = w + (first_row * g->kernel_w + first_column) * g->in_c;
            } else {
                t.x = x;
                t.w = w;
                t.rows = 0;
            }
            if (p->out.double_rounding) {
                pixel_twice(p, &t, channels, y);
            } else {
                pixel_once(p, &t, channels, y);
            }
            y += g->in_c;
        }
    }
}
