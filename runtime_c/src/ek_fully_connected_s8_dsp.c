#include "ek_kernels.h"

/* One row of inputs minus their zero point as 16-bit lanes, padded with zeros; returns the sum of the lanes. */
static int32_t widen_row(const int8_t *x, int32_t inputs, int32_t zero, uint32_t *lanes)
{
    const uint32_t minus_zero = ek_pair(-zero, -zero);
    int32_t sum = 0;
    for (; inputs >= 4; inputs -= 4) {
        const uint32_t codes = ek_load32(x);
        lanes[0] = ek_sxtab16(minus_zero, codes);
        lanes[1] = ek_sxtab16_odd(minus_zero, codes);
        sum = ek_smlad(lanes[0], 0x00010001u, sum);
        sum = ek_smlad(lanes[1], 0x00010001u, sum);
        x += 4;
        lanes += 2;
    }
    if (inputs > 0) {
        int32_t last[4] = {0, 0, 0, 0};
        for (int32_t i = 0; i < inputs; ++i) {
            last[i] = x[i] - zero;
            sum += last[i];
        }
        lanes[0] = ek_pair(last[0], last[2]);
        lanes[1] = ek_pair(last[1], last[3]);
    }
    return sum;
}

/* Four outputs of one row. */
static const uint32_t *multiply_4(const uint32_t *w, const uint32_t *lanes, int32_t n4, int32_t acc[4])
{
    int32_t a = acc[0], b = acc[1], c = acc[2], d = acc[3];
    for (; n4 > 0; --n4) {
        const uint32_t even = lanes[0], odd = lanes[1];
        const uint32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
        a = ek_smlad(ek_sxtb16(w0), even, a);
        a = ek_smlad(ek_sxtb16_odd(w0), odd, a);
        b = ek_smlad(ek_sxtb16(w1), even, b);
        b = ek_smlad(ek_sxtb16_odd(w1), odd, b);
        c = ek_smlad(ek_sxtb16(w2), even, c);
        c = ek_smlad(ek_sxtb16_odd(w2), odd, c);
        d = ek_smlad(ek_sxtb16(w3), even, d);
        d = ek_smlad(ek_sxtb16_odd(w3), odd, d);
        w += 4;
        lanes += 2;
    }
    acc[0] = a;
    acc[1] = b;
    acc[2] = c;
    acc[3] = d;
    return w;
}

EK_INLINE void all_rows(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, uint32_t *lanes, int32_t twice)
{
    const ek_output out = p->out;
    const int32_t n4 = (p->inputs + 3) >> 2;
    for (int32_t row = 0; row < p->rows; ++row) {
        const uint32_t *weights = (const uint32_t *)(const void *)w;
        const int32_t correction = widen_row(x, p->inputs, p->input_zero, lanes) * p->weight_zero;
        for (int32_t o = 0; o < p->outputs; o += 4) {
            int32_t acc[4];
            for (int32_t i = 0; i < 4; ++i) {
                acc[i] = channels[o + i].bias - correction;
            }
            weights = multiply_4(weights, lanes, n4, acc);
            for (int32_t i = 0; i < 4 && o + i < p->outputs; ++i) {
                *y++ = ek_requantize(acc[i], &channels[o + i], out, twice);
            }
        }
        x += p->inputs;
    }
}

void ek_fully_connected_s8_dsp(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                               const ek_channel *channels, int8_t *y, void *scratch)
{
    if (p->out.double_rounding) {
        all_rows(p, x, w, channels, y, (uint32_t *)scratch, 1);
    } else {
        all_rows(p, x, w, channels, y, (uint32_t *)scratch, 0);
    }
}
