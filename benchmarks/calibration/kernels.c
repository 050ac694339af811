/* What an int8 engine executes on a core with SMLAD when it widens both operands as it goes: columns of 16 bits for two
 * pixels, weights unpacked by pairs, four sums at a time, a 64-bit requantization. The instruction mix matters, the
 * numbers do not. */
#include "kernels.h"
#include "ek_simd.h"

int8_t input[2 * TAPS * CHANNELS * 8], output[PIXELS * CHANNELS];
static int16_t columns[2 * TAPS * CHANNELS];
__attribute__((section(".edgekit_weights"))) const int8_t weights[CHANNELS * TAPS * CHANNELS] = {3, -5, 7, 11, -13};
__attribute__((section(".edgekit_weights"))) const int32_t multipliers[CHANNELS] = {0x5A827999, 0x40000001};
__attribute__((section(".edgekit_weights"))) const int32_t shifts[CHANNELS] = {7, 9, 8};
volatile int32_t input_offset = 4, output_offset = -3;

static int8_t requantize(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)sum * multiplier + (1 << 30)) >> 31);
    const int32_t mask = (1 << shift) - 1, rest = high & mask;
    int32_t value = (high >> shift) + (rest > (mask >> 1) + (high < 0)) + output_offset;
    value = value > -128 ? value : -128;
    return (int8_t)(value < 127 ? value : 127);
}

/* Widens bytes, with an offset added. */
static void widen(const int8_t *from, int32_t count, int16_t offset, int16_t *to)
{
    const uint32_t offsets = ek_pair(offset, offset);
    uint32_t *words = (uint32_t *)(void *)to;
    for (int32_t quads = count >> 2; quads > 0; --quads) {
        const uint32_t codes = ek_load32(from);
        const uint32_t even = ek_sxtab16(offsets, codes), odd = ek_sxtab16_odd(offsets, codes);
        *words++ = ek_pack_low(even, odd);
        *words++ = ek_pack_high(even, odd);
        from += 4;
    }
}

/* Two filters over two columns. */
static int8_t *multiply_pairs(const int8_t *w, int32_t count, const int16_t *column, int32_t channels, int8_t *y)
{
    const int32_t *multiplier = multipliers, *shift = shifts;
    for (int32_t c = 0; c < channels; c += 2) {
        const int8_t *a = w, *b = w + count;
        const uint32_t *p = (const uint32_t *)(const void *)column;
        const uint32_t *q = (const uint32_t *)(const void *)(column + count);
        int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
        for (int32_t quads = count >> 2; quads > 0; --quads) {
            const uint32_t wa = ek_load32(a), wb = ek_load32(b);
            const uint32_t a_even = ek_sxtb16(wa), a_odd = ek_sxtb16_odd(wa);
            const uint32_t b_even = ek_sxtb16(wb), b_odd = ek_sxtb16_odd(wb);
            const uint32_t a_low = ek_pack_low(a_even, a_odd), a_high = ek_pack_high(a_even, a_odd);
            const uint32_t b_low = ek_pack_low(b_even, b_odd), b_high = ek_pack_high(b_even, b_odd);
            uint32_t x = *p++, z = *q++;
            s00 = ek_smlad(a_low, x, s00);
            s01 = ek_smlad(a_low, z, s01);
            s10 = ek_smlad(b_low, x, s10);
            s11 = ek_smlad(b_low, z, s11);
            x = *p++;
            z = *q++;
            s00 = ek_smlad(a_high, x, s00);
            s01 = ek_smlad(a_high, z, s01);
            s10 = ek_smlad(b_high, x, s10);
            s11 = ek_smlad(b_high, z, s11);
            a += 4;
            b += 4;
        }
        y[0] = requantize(s00, multiplier[0], shift[0]);
        y[channels] = requantize(s01, multiplier[0], shift[0]);
        y[1] = requantize(s10, multiplier[1], shift[1]);
        y[channels + 1] = requantize(s11, multiplier[1], shift[1]);
        y += 2;
        w += 2 * count;
        multiplier += 2;
        shift += 2;
    }
    return y + channels;
}

__attribute__((noinline)) void convolution(void)
{
    int8_t *y = output;
    for (int32_t pixel = 0; pixel < PIXELS; pixel += 2) {
        for (int32_t i = 0; i < 2; ++i) {
            for (int32_t row = 0; row < 3; ++row) {
                widen(input + (row * 3 + i) * CHANNELS + (pixel & 7), 3 * CHANNELS, (int16_t)input_offset,
                      columns + (i * TAPS + row * 3) * CHANNELS);
            }
        }
        y = multiply_pairs(weights, TAPS * CHANNELS, columns, CHANNELS, y);
    }
}

/* Two pixels and two filters, both widened in the loop. */
__attribute__((noinline)) void pointwise(void)
{
    for (int32_t c = 0; c < CHANNELS; c += 2) {
        const int8_t *x = input;
        int8_t *y = output + c;
        for (int32_t pixel = 0; pixel < PIXELS; pixel += 2) {
            const int8_t *a = weights + c * CHANNELS, *b = a + CHANNELS, *p = x, *q = x + CHANNELS;
            int32_t s00 = 0, s01 = 0, s10 = 0, s11 = 0;
            for (int32_t quads = CHANNELS >> 2; quads > 0; --quads) {
                const uint32_t wa = ek_load32(a), wb = ek_load32(b), xp = ek_load32(p), xq = ek_load32(q);
                const uint32_t a_even = ek_sxtb16(wa), a_odd = ek_sxtb16_odd(wa);
                const uint32_t b_even = ek_sxtb16(wb), b_odd = ek_sxtb16_odd(wb);
                const uint32_t p_even = ek_sxtb16(xp), p_odd = ek_sxtb16_odd(xp);
                const uint32_t q_even = ek_sxtb16(xq), q_odd = ek_sxtb16_odd(xq);
                s00 = ek_smlad(a_odd, p_odd, ek_smlad(a_even, p_even, s00));
                s01 = ek_smlad(a_odd, q_odd, ek_smlad(a_even, q_even, s01));
                s10 = ek_smlad(b_odd, p_odd, ek_smlad(b_even, p_even, s10));
                s11 = ek_smlad(b_odd, q_odd, ek_smlad(b_even, q_even, s11));
                a += 4;
                b += 4;
                p += 4;
                q += 4;
            }
            y[0] = requantize(s00, multipliers[c], shifts[c]);
            y[1] = requantize(s10, multipliers[c + 1], shifts[c + 1]);
            y[CHANNELS] = requantize(s01, multipliers[c], shifts[c]);
            y[CHANNELS + 1] = requantize(s11, multipliers[c + 1], shifts[c + 1]);
            x = pixel & 14 ? x + 2 * CHANNELS : input;
            y += 2 * CHANNELS;
        }
    }
}

/* Four channels at a time, nine taps, one product after the other. */
__attribute__((noinline)) void depthwise(void)
{
    int8_t *y = output;
    for (int32_t pixel = 0; pixel < PIXELS; ++pixel) {
        for (int32_t c = 0; c < CHANNELS; c += 4) {
            int32_t sums[4] = {0, 0, 0, 0};
            const int8_t *x = input + (pixel & 7) * CHANNELS + c, *w = weights + c;
            for (int32_t tap = 0; tap < TAPS; ++tap) {
                const uint32_t codes = ek_load32(x), taps = ek_load32(w);
                sums[0] += ((int8_t)codes + input_offset) * (int8_t)taps;
                sums[1] += ((int8_t)(codes >> 8) + input_offset) * (int8_t)(taps >> 8);
                sums[2] += ((int8_t)(codes >> 16) + input_offset) * (int8_t)(taps >> 16);
                sums[3] += ((int8_t)(codes >> 24) + input_offset) * (int8_t)(taps >> 24);
                x += CHANNELS;
                w += CHANNELS;
            }
            for (int32_t i = 0; i < 4; ++i) {
                *y++ = requantize(sums[i], multipliers[c + i], shifts[c + i]);
            }
        }
    }
}

/* Three rows of weights with one of inputs. */
__attribute__((noinline)) void fully_connected(void)
{
    const uint32_t offsets = ek_pair(input_offset, input_offset);
    for (int32_t row = 0; row + 2 < 15; row += 3) {
        const int8_t *x = input, *w = weights + row * INPUTS;
        int32_t sums[3] = {0, 0, 0};
        for (int32_t quads = INPUTS >> 2; quads > 0; --quads) {
            const uint32_t codes = ek_load32(x);
            const uint32_t even = ek_sxtab16(offsets, codes), odd = ek_sxtab16_odd(offsets, codes);
            for (int32_t i = 0; i < 3; ++i) {
                const uint32_t taps = ek_load32(w + i * INPUTS);
                sums[i] = ek_smlad(ek_sxtb16_odd(taps), odd, ek_smlad(ek_sxtb16(taps), even, sums[i]));
            }
            x += 4;
            w += 4;
        }
        for (int32_t i = 0; i < 3; ++i) {
            output[row + i] = requantize(sums[i], multipliers[0], shifts[0]);
        }
    }
}

__attribute__((noinline)) void calibration_run(void)
{
    convolution();
    pointwise();
    depthwise();
    fully_connected();
}
