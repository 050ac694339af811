#include "ek_fours.h"
#include "ek_assembly.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 columns, r1 tile, r2 and r3 words of two channels, r4 and r5 words of two pixels, r6-r9 accumulators of the first
 * channel, r10-r12 and lr those of the second one; what a loop needs beside them waits on the stack.
 *
 * Grouped: loads follow each other, which saves Cortex-M4 a cycle each; none makes the address of the next one, and the
 * last one is not what the next product takes. r0 stands before the words to come. */
#define GROUPED_HALF(from_last, to_next)                                                                               \
    "ldr r4, [r0, #" #from_last "]!\n"                                                                                 \
    "ldr r3, [r1, #8]\n"                                                                                               \
    "ldr r5, [r0, #8]\n"                                                                                               \
    "ldr r2, [r1], #" #to_next "\n"                                                                                    \
    "smlad r10, r3, r4, r10\n"                                                                                         \
    "smlad r11, r3, r5, r11\n"                                                                                         \
    "smlad r6, r2, r4, r6\n"                                                                                           \
    "smlad r7, r2, r5, r7\n"                                                                                           \
    "ldr r4, [r0, #16]\n"                                                                                              \
    "ldr r5, [r0, #24]\n"                                                                                              \
    "smlad r8, r2, r4, r8\n"                                                                                           \
    "smlad r12, r3, r4, r12\n"                                                                                         \
    "smlad r9, r2, r5, r9\n"                                                                                           \
    "smlad lr, r3, r5, lr\n"
#define GROUPED_QUAD(label) #label ":\n" GROUPED_HALF(28, 4) GROUPED_HALF(4, 12)
#define GROUPED_START "sub r0, r0, #28\n"
#define GROUPED_FIRST ""

/* Beside: every load is younger than a product and two cycles older than the first product that takes it, so that a
 * half quad takes eight cycles on Cortex-M7. Words of a half are loaded during the one before it: the last half of a
 * run loads two of the channels' constants and the word behind the columns. */
#define BESIDE_HALF(second, third, fourth, channel, pixel, other)                                                      \
    "smlad r6, r2, r4, r6\n"                                                                                           \
    "ldr r5, [r0, #" #second "]\n"                                                                                     \
    "smlad r10, r3, r4, r10\n"                                                                                         \
    "ldr r4, [r0, #" #third "]\n"                                                                                      \
    "smlad r7, r2, r5, r7\n"                                                                                           \
    "smlad r11, r3, r5, r11\n"                                                                                         \
    "ldr r5, [r0, #" #fourth "]\n"                                                                                     \
    "smlad r8, r2, r4, r8\n"                                                                                           \
    "smlad r9, r2, r5, r9\n"                                                                                           \
    "ldr r2, " channel "\n"                                                                                            \
    "smlad r12, r3, r4, r12\n"                                                                                         \
    "ldr r4, " pixel "\n"                                                                                              \
    "smlad lr, r3, r5, lr\n"                                                                                           \
    "ldr r3, " other "\n"
#define BESIDE_QUAD(label)                                                                                             \
    #label ":\n" BESIDE_HALF(8, 16, 24, "[r1, #4]", "[r0, #4]", "[r1, #12]")                                           \
        BESIDE_HALF(12, 20, 28, "[r1, #16]!", "[r0, #32]!", "[r1, #8]")
#define BESIDE_START ""
#define BESIDE_FIRST                                                                                                   \
    "ldr r2, [r1]\n"                                                                                                   \
    "ldr r4, [r0]\n"                                                                                                   \
    "ldr r3, [r1, #8]\n"

#define STACK_Y "[sp]"
#define STACK_COLUMNS "[sp, #8]"
#define STACK_ENTRY "[sp, #12]"
#define STACK_COLUMNS_END "[sp, #16]"
#define STACK_TILE_END "[sp, #20]"

/* `scale` makes codes of four accumulators. The loop over quads runs eight at a time; its first round is entered where
 * the count is a multiple of eight from there. */
#define MULTIPLY(name, start, first, quad, scale)                                                                      \
    __asm__(EK_FUNCTION(name) "push {r4-r11, lr}\n"                                                                    \
                              "sub sp, sp, #28\n"                                                                      \
                              "ldm r3, {r4-r6}\n" /* pairs, quads, y_step */                                           \
                              "strd r2, r6, " STACK_Y "\n" start "str r0, " STACK_COLUMNS "\n"                         \
                              "rsb r6, r5, #0\n"                                                                       \
                              "and r6, r6, #7\n"                                                                       \
                              "str r6, " STACK_ENTRY "\n"                                                              \
                              "add r6, r0, r5, lsl #5\n"                                                               \
                              "str r6, " STACK_COLUMNS_END "\n"                                                        \
                              "lsl r5, r5, #4\n"                                                                       \
                              "add r5, r5, #32\n"                                                                      \
                              "mla r4, r4, r5, r1\n"                                                                   \
                              "str r4, " STACK_TILE_END "\n"                                                           \
                              "1:\n"                                                                                   \
                              "ldrd r6, r10, [r1], #8\n"                                                               \
                              "ldr r0, " STACK_COLUMNS "\n"                                                            \
                              "ldr r5, " STACK_ENTRY "\n" first "mov r7, r6\n"                                         \
                              "mov r8, r6\n"                                                                           \
                              "mov r9, r6\n"                                                                           \
                              "mov r11, r10\n"                                                                         \
                              "mov r12, r10\n"                                                                         \
                              "mov lr, r10\n"                                                                          \
                              "tbh [pc, r5, lsl #1]\n"                                                                 \
                              "2:\n"                                                                                   \
                              ".short (10f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2, (13f - 2b) / 2\n"                \
                              ".short (14f - 2b) / 2, (15f - 2b) / 2, (16f - 2b) / 2, (17f - 2b) / 2\n" quad(10)       \
                                  quad(11) quad(12) quad(13) quad(14) quad(15) quad(16)                                \
                                      quad(17) "ldr r5, " STACK_COLUMNS_END "\n"                                       \
                                               "cmp r0, r5\n"                                                          \
                                               "bne 10b\n" scale(r6, r7, r8, r9) scale(r10, r11, r12, lr) STORE        \
            "bne 1b\n"                                                                                                 \
            "add sp, sp, #28\n"                                                                                        \
            "pop {r4-r11, pc}\n" EK_END(name))

/* Requantize as EK_TWICE and EK_ONCE of ek_assembly.h do: r2-r4 are multiplier, shift and offset of the channel, which
 * stand behind the weights; r0 and r5 are free. The steps of four accumulators stand side by side. */
#define SCALE_TWICE(a, b, c, d)                                                                                        \
    "ldmia.w r1!, {r2-r4}\n"                                                                                           \
    "add r0, r4, " #a ", asr #31\n"                                                                                    \
    "lsl " #a ", " #a ", #1\n"                                                                                         \
    "add r5, r4, " #b ", asr #31\n"                                                                                    \
    "smmlar " #a ", " #a ", r2, r0\n"                                                                                  \
    "add r0, r4, " #c ", asr #31\n"                                                                                    \
    "lsl " #b ", " #b ", #1\n"                                                                                         \
    "add r4, r4, " #d ", asr #31\n"                                                                                    \
    "smmlar " #b ", " #b ", r2, r5\n"                                                                                  \
    "lsl " #c ", " #c ", #1\n"                                                                                         \
    "lsl " #d ", " #d ", #1\n"                                                                                         \
    "smmlar " #c ", " #c ", r2, r0\n"                                                                                  \
    "asr " #a ", " #a ", r3\n"                                                                                         \
    "smmlar " #d ", " #d ", r2, r4\n"                                                                                  \
    "asr " #b ", " #b ", r3\n"                                                                                         \
    "ssat " #a ", #8, " #a ", asr #1\n"                                                                                \
    "asr " #c ", " #c ", r3\n"                                                                                         \
    "ssat " #b ", #8, " #b ", asr #1\n"                                                                                \
    "asr " #d ", " #d ", r3\n"                                                                                         \
    "ssat " #c ", #8, " #c ", asr #1\n"                                                                                \
    "ssat " #d ", #8, " #d ", asr #1\n"

#define SCALE_ONCE(a, b, c, d)                                                                                         \
    "ldmia.w r1!, {r2-r4}\n"                                                                                           \
    "smmla " #a ", " #a ", r2, r4\n"                                                                                   \
    "smmla " #b ", " #b ", r2, r4\n"                                                                                   \
    "smmla " #c ", " #c ", r2, r4\n"                                                                                   \
    "asr " #a ", " #a ", r3\n"                                                                                         \
    "smmla " #d ", " #d ", r2, r4\n"                                                                                   \
    "asr " #b ", " #b ", r3\n"                                                                                         \
    "ssat " #a ", #8, " #a ", asr #1\n"                                                                                \
    "asr " #c ", " #c ", r3\n"                                                                                         \
    "ssat " #b ", #8, " #b ", asr #1\n"                                                                                \
    "asr " #d ", " #d ", r3\n"                                                                                         \
    "ssat " #c ", #8, " #c ", asr #1\n"                                                                                \
    "ssat " #d ", #8, " #d ", asr #1\n"

/* r4 y of one pixel after the other, r5 their step. */
#define STORE                                                                                                          \
    "ldrd r4, r5, " STACK_Y "\n"                                                                                       \
    "ldr r2, " STACK_TILE_END "\n"                                                                                     \
    "adds r0, r4, #2\n"                                                                                                \
    "strb r6, [r4]\n"                                                                                                  \
    "cmp r1, r2\n"                                                                                                     \
    "strb r10, [r4, #1]\n"                                                                                             \
    "add r4, r4, r5\n"                                                                                                 \
    "strb r7, [r4]\n"                                                                                                  \
    "strb r11, [r4, #1]\n"                                                                                             \
    "add r4, r4, r5\n"                                                                                                 \
    "strb r8, [r4]\n"                                                                                                  \
    "strb r12, [r4, #1]\n"                                                                                             \
    "add r4, r4, r5\n"                                                                                                 \
    "strb r9, [r4]\n"                                                                                                  \
    "strb lr, [r4, #1]\n"                                                                                              \
    "str r0, " STACK_Y "\n"

MULTIPLY(ek_multiply_fours_grouped_twice, GROUPED_START, GROUPED_FIRST, GROUPED_QUAD, SCALE_TWICE);
MULTIPLY(ek_multiply_fours_grouped_once, GROUPED_START, GROUPED_FIRST, GROUPED_QUAD, SCALE_ONCE);
MULTIPLY(ek_multiply_fours_beside_twice, BESIDE_START, BESIDE_FIRST, BESIDE_QUAD, SCALE_TWICE);
MULTIPLY(ek_multiply_fours_beside_once, BESIDE_START, BESIDE_FIRST, BESIDE_QUAD, SCALE_ONCE);

#else

static int32_t product(const uint32_t *pixel, const uint32_t *channel, int32_t quads, int32_t acc)
{
    for (; quads > 0; --quads) {
        acc = ek_smlad(channel[1], pixel[1], ek_smlad(channel[0], pixel[0], acc));
        pixel += EK_FOUR_QUAD;
        channel += 4;
    }
    return acc;
}

static void multiply(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run, int32_t twice)
{
    for (int32_t pair = 0; pair < run->pairs; ++pair) {
        const uint32_t *constants = tile + 2 + 4 * run->quads;
        for (int32_t i = 0; i < 8; ++i) {
            const int32_t channel = i & 1, pixel = i >> 1;
            const int32_t acc =
                product(columns + 2 * pixel, tile + 2 + 2 * channel, run->quads, (int32_t)tile[channel]);
            y[pixel * run->y_step + channel] = ek_code_of(acc, constants + 3 * channel, twice);
        }
        y += 2;
        tile += EK_PAIR_WORDS(run->quads);
    }
}

#define MULTIPLY(loop)                                                                                                 \
    void ek_multiply_fours_##loop##_twice(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run) \
    {                                                                                                                  \
        multiply(columns, tile, y, run, 1);                                                                            \
    }                                                                                                                  \
    void ek_multiply_fours_##loop##_once(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run)  \
    {                                                                                                                  \
        multiply(columns, tile, y, run, 0);                                                                            \
    }

MULTIPLY(grouped)
MULTIPLY(beside)

#endif
