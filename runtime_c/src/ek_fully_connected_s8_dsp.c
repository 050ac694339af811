#include "ek_assembly.h"
#include "ek_kernels.h"
#include "ek_row_lanes.h"

/* Four dot products of one row, added to acc. lanes: per quad inputs 0 and 2, then 1 and 3, in 16 bit; w: words of four
 * int8 weights, alternating between the outputs; minus_zero: what is added to both lanes of a weight. */
void ek_dot_4(const uint32_t *lanes, const uint32_t *w, int32_t quads, uint32_t minus_zero, int32_t acc[4]);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 lanes, r1 weights, r2 quads left, r3 minus_zero, r4 and r5 a quad of lanes, r6-r9 one of weights, r10-r12 and lr
 * accumulators. A word of weights is widened in place, its first half over the lanes' count of quads, which waits on
 * the stack. The halves of one word are widened beside the products of the one before it. */
#define QUAD                                                                                                           \
    "ldrd r4, r5, [r0], #8\n"                                                                                          \
    "ldmia.w r1!, {r6-r9}\n"                                                                                           \
    "sxtab16 r2, r3, r6\n"                                                                                             \
    "sxtab16 r6, r3, r6, ror #8\n"                                                                                     \
    "smlad r10, r2, r4, r10\n"                                                                                         \
    "sxtab16 r2, r3, r7\n"                                                                                             \
    "smlad r10, r6, r5, r10\n"                                                                                         \
    "sxtab16 r7, r3, r7, ror #8\n"                                                                                     \
    "smlad r11, r2, r4, r11\n"                                                                                         \
    "sxtab16 r2, r3, r8\n"                                                                                             \
    "smlad r11, r7, r5, r11\n"                                                                                         \
    "sxtab16 r8, r3, r8, ror #8\n"                                                                                     \
    "smlad r12, r2, r4, r12\n"                                                                                         \
    "sxtab16 r2, r3, r9\n"                                                                                             \
    "smlad r12, r8, r5, r12\n"                                                                                         \
    "sxtab16 r9, r3, r9, ror #8\n"                                                                                     \
    "smlad lr, r2, r4, lr\n"                                                                                           \
    "smlad lr, r9, r5, lr\n"

__asm__(EK_FUNCTION(ek_dot_4) "push {r2, r4-r11, lr}\n"
                              "ldr r4, [sp, #40]\n"
                              "ldm r4, {r10-r12, lr}\n"
                              "b 2f\n"
                              "1:\n" QUAD "ldr r2, [sp]\n"
                              "subs r2, r2, #1\n"
                              "str r2, [sp]\n"
                              "2:\n"
                              "tst r2, #3\n"
                              "bne 1b\n"
                              "cmp r2, #0\n"
                              "beq 4f\n"
                              "3:\n" QUAD QUAD QUAD QUAD "ldr r2, [sp]\n"
                              "subs r2, r2, #4\n"
                              "str r2, [sp]\n"
                              "bne 3b\n"
                              "4:\n"
                              "ldr r4, [sp, #40]\n"
                              "stm r4, {r10-r12, lr}\n"
                              "pop {r2, r4-r11, pc}\n" EK_END(ek_dot_4));

#else

void ek_dot_4(const uint32_t *lanes, const uint32_t *w, int32_t quads, uint32_t minus_zero, int32_t acc[4])
{
    for (; quads > 0; --quads) {
        for (int32_t i = 0; i < 4; ++i) {
            acc[i] = ek_smlad(ek_sxtab16(minus_zero, *w), lanes[0], acc[i]);
            acc[i] = ek_smlad(ek_sxtab16_odd(minus_zero, *w++), lanes[1], acc[i]);
        }
        lanes += 2;
    }
}

#endif

EK_INLINE void all_rows(const ek_fully_connected_params *p, const int8_t *x, const int8_t *w,
                        const ek_channel *channels, int8_t *y, uint32_t *lanes, int32_t twice)
{
    const ek_output out = p->out;
    const int32_t quads = (p->inputs + 3) >> 2, outputs = p->outputs;
    const uint32_t minus_zero = ek_pair(-p->weight_zero, -p->weight_zero);
    for (int32_t row = 0; row < p->rows; ++row) {
        const uint32_t *weights = (const uint32_t *)(const void *)w;
        ek_widen_row(x, p->inputs, p->input_zero, lanes);
        for (int32_t o = 0; o < outputs; o += 4) {
            const ek_channel *channel = channels + o;
            int32_t acc[4] = {channel[0].bias, channel[1].bias, channel[2].bias, channel[3].bias};
            ek_dot_4(lanes, weights, quads, minus_zero, acc);
            weights += 4 * quads;
            for (int32_t i = 0; i < 4 && o + i < outputs; ++i) {
                *y++ = ek_requantize(acc[i], &channel[i], out, twice);
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
