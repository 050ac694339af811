#include "ek_integer.h"

/* Accumulators gather: an output pixel adds the input pixels that the convolution undone here would have read it for,
 * in the order of the weights. `multiply` is of pixel[c] and weights[c]. */
#define ACCUMULATE(name, type, weight, wide, multiply)                                                                 \
    static wide name(const ek_window *g, int32_t zero, int32_t weight_zero, const type *x, const weight *w,            \
                     int32_t oy, int32_t ox)                                                                           \
    {                                                                                                                  \
        wide acc = 0;                                                                                                  \
        for (int32_t ky = 0; ky < g->kernel_h; ++ky) {                                                                 \
            const int32_t row = oy + g->pad_top - ky;                                                                  \
            for (int32_t kx = 0; kx < g->kernel_w; ++kx) {                                                             \
                const int32_t column = ox + g->pad_left - kx;                                                          \
                if (row < 0 || column < 0 || row % g->stride_h || column % g->stride_w ||                              \
                    row / g->stride_h >= g->in_h || column / g->stride_w >= g->in_w) {                                 \
                    continue;                                                                                          \
                }                                                                                                      \
                const type *pixel = x + (row / g->stride_h * g->in_w + column / g->stride_w) * g->in_c;                \
                const weight *weights = w + (ky * g->kernel_w + kx) * g->in_c;                                         \
                for (int32_t c = 0; c < g->in_c; ++c) {                                                                \
                    acc += multiply;                                                                                   \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        (void)zero;                                                                                                    \
        (void)weight_zero;                                                                                             \
        return acc;                                                                                                    \
    }

ACCUMULATE(accumulate_s8, int8_t, int8_t, int32_t, (pixel[c] - zero) * (weights[c] - weight_zero))
ACCUMULATE(accumulate_s16, int16_t, int8_t, int64_t, pixel[c] * weights[c])
ACCUMULATE(accumulate_f32, float, float, float, pixel[c] * weights[c])

void ek_transpose_conv2d_s8(const ek_transpose_conv2d_params *p, const int8_t *x, const int8_t *w,
                            const ek_channel *channels, int8_t *y)
{
    const ek_window *g = &p->window;
    const ek_output out = p->out;
    const int32_t filter = g->kernel_h * g->kernel_w * g->in_c;
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            for (int32_t c = 0; c < g->out_c; ++c) {
                const int32_t sum = accumulate_s8(g, p->input_zero, p->weight_zero, x, w + c * filter, oy, ox);
                *y++ = ek_requantize(channels[c].bias + sum, &channels[c], out, out.double_rounding);
            }
        }
    }
}

void ek_transpose_conv2d_s16(const ek_conv_s16_params *p, const int16_t *x, const int8_t *w,
                             const ek_channel_64 *channels, int16_t *y)
{
    const ek_window *g = &p->window;
    const int32_t filter = g->kernel_h * g->kernel_w * g->in_c;
    for (int32_t oy = 0; oy < g->out_h; ++oy) {
        for (int32_t ox = 0; ox < g->out_w; ++ox) {
            for (int32_t c = 0; c < g->out_c; ++c) {
                const int64_t acc = channels[c].bias + accumulate_s16(g, 0, 0, x, w + c * filter, oy, ox);
                *y++ = ek_to_s16(ek_rescaled_half(acc, &channels[c]), p->low, p->high);
            }
        }
    }
}

void ek_transpose_conv2d_f32(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y)
{
    const ek_window *g = &p->window;
    const int32_t filter = g->kernel_h * g->kernel_w * g->in_c;
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t oy = 0; oy < g->out_h; ++oy) {
            for (int32_t ox = 0; ox < g->out_w; ++ox) {
                for (int32_t c = 0; c < g->out_c; ++c) {
                    const float acc = accumulate_f32(g, 0, 0, x, w + c * filter, oy, ox);
                    *y++ = ek_between(bias ? acc + bias[c] : acc, p->low, p->high);
                }
            }
        }
        x += g->in_h * g->in_w * g->in_c;
    }
}
