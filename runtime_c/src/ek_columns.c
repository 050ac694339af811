#include "ek_columns.h"
#include "ek_assembly.h"

/* Widens pairs of words, one after the other. */
void ek_widen_words(const uint32_t *words, int32_t pairs, uint32_t base, uint32_t *to);

uint32_t *ek_widen_channels(int32_t pairs, int32_t quads, int32_t weight_zero, int32_t offset, const int8_t *w,
                            const ek_channel *channels, uint32_t *tile)
{
    const uint32_t minus_zero = ek_pair(-weight_zero, -weight_zero);
    const uint32_t *words = (const uint32_t *)(const void *)w;
    for (; pairs > 0; --pairs) {
        *tile++ = (uint32_t)channels[0].bias;
        *tile++ = (uint32_t)channels[1].bias;
        ek_widen_words(words, quads, minus_zero, tile);
        words += 2 * quads;
        tile = ek_put_constants(channels, offset, tile + 4 * quads);
        channels += 2;
    }
    return tile;
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 source, r1 count, r2 base, r3 destination. */
__asm__(EK_FUNCTION(ek_widen_words) "push {r4-r11}\n"
                                    "subs r1, r1, #2\n"
                                    "blt 2f\n"
                                    "1:\n"
                                    "ldmia r0!, {r4, r6, r8, r10}\n"
                                    "subs r1, r1, #2\n"
                                    "sxtab16 r5, r2, r4, ror #8\n"
                                    "sxtab16 r4, r2, r4\n"
                                    "sxtab16 r7, r2, r6, ror #8\n"
                                    "sxtab16 r6, r2, r6\n"
                                    "sxtab16 r9, r2, r8, ror #8\n"
                                    "sxtab16 r8, r2, r8\n"
                                    "sxtab16 r11, r2, r10, ror #8\n"
                                    "sxtab16 r10, r2, r10\n"
                                    "stmia r3!, {r4-r11}\n"
                                    "bge 1b\n"
                                    "2:\n"
                                    "adds r1, r1, #2\n"
                                    "beq 3f\n"
                                    "ldrd r4, r6, [r0]\n"
                                    "sxtab16 r5, r2, r4, ror #8\n"
                                    "sxtab16 r4, r2, r4\n"
                                    "sxtab16 r7, r2, r6, ror #8\n"
                                    "sxtab16 r6, r2, r6\n"
                                    "stmia r3!, {r4-r7}\n"
                                    "3:\n"
                                    "pop {r4-r11}\n"
                                    "bx lr\n" EK_END(ek_widen_words));

/* r0 source, of any alignment, r1 count, r2 base, r3 destination. */
__asm__(EK_FUNCTION(ek_widen_column) "push {r4-r9}\n"
                                     "subs r1, r1, #3\n"
                                     "ble 2f\n"
                                     "1:\n"
                                     "ldr r4, [r0]\n"
                                     "ldr r6, [r0, #4]\n"
                                     "ldr r8, [r0, #8]\n"
                                     "ldr r12, [r0, #12]\n"
                                     "sxtab16 r5, r2, r4, ror #8\n"
                                     "sxtab16 r4, r2, r4\n"
                                     "sxtab16 r7, r2, r6, ror #8\n"
                                     "sxtab16 r6, r2, r6\n"
                                     "strd r4, r5, [r3], #16\n"
                                     "sxtab16 r9, r2, r8, ror #8\n"
                                     "sxtab16 r8, r2, r8\n"
                                     "strd r6, r7, [r3], #16\n"
                                     "sxtab16 r5, r2, r12, ror #8\n"
                                     "adds r0, r0, #16\n"
                                     "sxtab16 r4, r2, r12\n"
                                     "strd r8, r9, [r3], #16\n"
                                     "strd r4, r5, [r3], #16\n"
                                     "subs r1, r1, #4\n"
                                     "bgt 1b\n"
                                     "2:\n"
                                     "adds r1, r1, #3\n"
                                     "beq 4f\n"
                                     "3:\n"
                                     "ldr r4, [r0], #4\n"
                                     "subs r1, r1, #1\n"
                                     "sxtab16 r5, r2, r4, ror #8\n"
                                     "sxtab16 r4, r2, r4\n"
                                     "strd r4, r5, [r3], #16\n"
                                     "bne 3b\n"
                                     "4:\n"
                                     "mov r0, r3\n"
                                     "pop {r4-r9}\n"
                                     "bx lr\n" EK_END(ek_widen_column));

/* r0 columns, r1 tile, r2-r5 a quad of columns, r6-r9 a quad of channels, r10-r12 and lr accumulators: all registers
 * there are, so that what a loop needs beside them waits on the stack. Compilers spill inside the inner loop. */
#define QUAD(label)                                                                                                    \
    #label ":\n"                                                                                                       \
           "ldmia.w r0!, {r2-r5}\n"                                                                                    \
           "ldmia.w r1!, {r6-r9}\n"                                                                                    \
           "smlad r10, r6, r2, r10\n"                                                                                  \
           "smlad r11, r6, r4, r11\n"                                                                                  \
           "smlad r12, r8, r2, r12\n"                                                                                  \
           "smlad lr, r8, r4, lr\n"                                                                                    \
           "smlad r10, r7, r3, r10\n"                                                                                  \
           "smlad r11, r7, r5, r11\n"                                                                                  \
           "smlad r12, r9, r3, r12\n"                                                                                  \
           "smlad lr, r9, r5, lr\n"

#define STACK_Y "[sp]"
#define STACK_COLUMNS "[sp, #8]"
#define STACK_ENTRY "[sp, #12]"
#define STACK_COLUMNS_END "[sp, #16]"
#define STACK_TILE_END "[sp, #20]"

/* `finish` makes four results of the accumulators, the tile's pointer standing behind the weights, and compares that
 * pointer with the tile's end. The loop over quads runs eight at a time; its first round is entered where the count is
 * a multiple of eight from there. */
#define MULTIPLY(name, finish)                                                                                         \
    __asm__(EK_FUNCTION(name) "push {r4-r11, lr}\n"                                                                    \
                              "sub sp, sp, #28\n"                                                                      \
                              "ldm r3, {r4-r6}\n" /* pairs, quads, y_step */                                           \
                              "strd r2, r6, " STACK_Y "\n"                                                             \
                              "str r0, " STACK_COLUMNS "\n"                                                            \
                              "rsb r6, r5, #0\n"                                                                       \
                              "and r6, r6, #7\n"                                                                       \
                              "str r6, " STACK_ENTRY "\n"                                                              \
                              "add r6, r0, r5, lsl #4\n"                                                               \
                              "str r6, " STACK_COLUMNS_END "\n"                                                        \
                              "lsl r5, r5, #4\n"                                                                       \
                              "add r5, r5, #32\n"                                                                      \
                              "mla r4, r4, r5, r1\n"                                                                   \
                              "str r4, " STACK_TILE_END "\n"                                                           \
                              "1:\n"                                                                                   \
                              "ldrd r10, r12, [r1], #8\n"                                                              \
                              "ldr r2, " STACK_ENTRY "\n"                                                              \
                              "ldr r0, " STACK_COLUMNS "\n"                                                            \
                              "mov r11, r10\n"                                                                         \
                              "mov lr, r12\n"                                                                          \
                              "tbb [pc, r2]\n"                                                                         \
                              "2:\n"                                                                                   \
                              ".byte (10f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2, (13f - 2b) / 2\n"                 \
                              ".byte (14f - 2b) / 2, (15f - 2b) / 2, (16f - 2b) / 2, (17f - 2b) / 2\n" QUAD(10)        \
                                  QUAD(11) QUAD(12) QUAD(13) QUAD(14) QUAD(15) QUAD(16)                                \
                                      QUAD(17) "ldr r2, " STACK_COLUMNS_END "\n"                                       \
                                               "cmp r0, r2\n"                                                          \
                                               "bne 10b\n" finish "bne 1b\n"                                           \
                                               "add sp, sp, #28\n"                                                     \
                                               "pop {r4-r11, pc}\n" EK_END(name))

/* Both requantize as EK_TWICE and EK_ONCE of ek_assembly.h do, the steps of four accumulators side by side so that none
 * waits for the one before it: r2-r4 are multiplier, shift and offset of the first channel, r5-r7 those of the second
 * one. Offsets with the correction are in r0 and r4, and in r8 and r7; then r8 and r9 are y and its step. The second
 * pixel is stored first: with one pixel both go to the same place. */
#define FINISH_TWICE                                                                                                   \
    "ldmia.w r1!, {r2-r7}\n"                                                                                           \
    "add r0, r4, r11, asr #31\n"                                                                                       \
    "lsl r11, r11, #1\n"                                                                                               \
    "smmlar r11, r11, r2, r0\n"                                                                                        \
    "add r8, r7, lr, asr #31\n"                                                                                        \
    "add r7, r7, r12, asr #31\n"                                                                                       \
    "lsl lr, lr, #1\n"                                                                                                 \
    "lsl r12, r12, #1\n"                                                                                               \
    "add r4, r4, r10, asr #31\n"                                                                                       \
    "smmlar lr, lr, r5, r8\n"                                                                                          \
    "asr r11, r11, r3\n"                                                                                               \
    "lsl r10, r10, #1\n"                                                                                               \
    "smmlar r12, r12, r5, r7\n"                                                                                        \
    "asr lr, lr, r6\n"                                                                                                 \
    "smmlar r10, r10, r2, r4\n"                                                                                        \
    "ldrd r8, r9, " STACK_Y "\n"                                                                                       \
    "ssat r11, #8, r11, asr #1\n"                                                                                      \
    "ldr r2, " STACK_TILE_END "\n"                                                                                     \
    "strb r11, [r8, r9]\n"                                                                                             \
    "cmp r1, r2\n"                                                                                                     \
    "asr r10, r10, r3\n"                                                                                               \
    "asr r12, r12, r6\n"                                                                                               \
    "ssat r10, #8, r10, asr #1\n"                                                                                      \
    "strb r10, [r8], #1\n"                                                                                             \
    "ssat lr, #8, lr, asr #1\n"                                                                                        \
    "strb lr, [r8, r9]\n"                                                                                              \
    "ssat r12, #8, r12, asr #1\n"                                                                                      \
    "strb r12, [r8], #1\n"                                                                                             \
    "str r8, " STACK_Y "\n"

#define FINISH_ONCE                                                                                                    \
    "ldmia.w r1!, {r2-r7}\n"                                                                                           \
    "smmla r11, r11, r2, r4\n"                                                                                         \
    "smmla lr, lr, r5, r7\n"                                                                                           \
    "smmla r10, r10, r2, r4\n"                                                                                         \
    "asr r11, r11, r3\n"                                                                                               \
    "smmla r12, r12, r5, r7\n"                                                                                         \
    "asr lr, lr, r6\n"                                                                                                 \
    "ssat r11, #8, r11, asr #1\n"                                                                                      \
    "asr r10, r10, r3\n"                                                                                               \
    "ldrd r8, r9, " STACK_Y "\n"                                                                                       \
    "ssat r10, #8, r10, asr #1\n"                                                                                      \
    "ldr r2, " STACK_TILE_END "\n"                                                                                     \
    "strb r11, [r8, r9]\n"                                                                                             \
    "cmp r1, r2\n"                                                                                                     \
    "ssat lr, #8, lr, asr #1\n"                                                                                        \
    "strb r10, [r8], #1\n"                                                                                             \
    "asr r12, r12, r6\n"                                                                                               \
    "strb lr, [r8, r9]\n"                                                                                              \
    "ssat r12, #8, r12, asr #1\n"                                                                                      \
    "strb r12, [r8], #1\n"                                                                                             \
    "str r8, " STACK_Y "\n"

#define FINISH_ACCUMULATORS                                                                                            \
    "ldr r6, " STACK_Y "\n"                                                                                            \
    "ldr r2, " STACK_TILE_END "\n"                                                                                     \
    "add r1, r1, #24\n"                                                                                                \
    "cmp r1, r2\n"                                                                                                     \
    "strd r10, r11, [r6], #8\n"                                                                                        \
    "strd r12, lr, [r6], #8\n"                                                                                         \
    "str r6, " STACK_Y "\n"

MULTIPLY(ek_multiply_columns_twice, FINISH_TWICE);
MULTIPLY(ek_multiply_columns_once, FINISH_ONCE);
MULTIPLY(ek_multiply_columns, FINISH_ACCUMULATORS);

#else

void ek_widen_words(const uint32_t *words, int32_t pairs, uint32_t base, uint32_t *to)
{
    for (; pairs > 0; --pairs) {
        for (int32_t i = 0; i < 2; ++i) {
            *to++ = ek_sxtab16(base, *words);
            *to++ = ek_sxtab16_odd(base, *words++);
        }
    }
}

uint32_t *ek_widen_column(const int8_t *x, int32_t quads, uint32_t base, uint32_t *column)
{
    for (; quads > 0; --quads) {
        const uint32_t codes = ek_load32(x);
        column[0] = ek_sxtab16(base, codes);
        column[1] = ek_sxtab16_odd(base, codes);
        x += 4;
        column += 4;
    }
    return column;
}

void ek_multiply_columns(const uint32_t *columns, const uint32_t *tile, int32_t *y, const ek_run *run)
{
    for (int32_t pair = 0; pair < run->pairs; ++pair) {
        const uint32_t *x = columns, *w = tile + 2;
        uint32_t acc[4] = {tile[0], tile[0], tile[1], tile[1]};
        for (int32_t n = 0; n < run->quads; ++n) {
            for (int32_t i = 0; i < 4; ++i) {
                const uint32_t *wc = w + 2 * (i >> 1), *xp = x + 2 * (i & 1);
                acc[i] = (uint32_t)ek_smlad(wc[1], xp[1], ek_smlad(wc[0], xp[0], (int32_t)acc[i]));
            }
            x += 4;
            w += 4;
        }
        for (int32_t i = 0; i < 4; ++i) {
            *y++ = (int32_t)acc[i];
        }
        tile += EK_PAIR_WORDS(run->quads);
    }
}

static void multiply(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run, int32_t twice)
{
    const ek_run one = {1, run->quads, 0};
    for (int32_t pair = 0; pair < run->pairs; ++pair) {
        const uint32_t *constants = tile + 2 + 4 * run->quads;
        int32_t acc[4];
        ek_multiply_columns(columns, tile, acc, &one);
        for (int32_t i = 0; i < 2; ++i) {
            y[i + run->y_step] = ek_code_of(acc[2 * i + 1], constants + 3 * i, twice);
            y[i] = ek_code_of(acc[2 * i], constants + 3 * i, twice);
        }
        y += 2;
        tile += EK_PAIR_WORDS(run->quads);
    }
}

void ek_multiply_columns_twice(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run)
{
    multiply(columns, tile, y, run, 1);
}

void ek_multiply_columns_once(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run)
{
    multiply(columns, tile, y, run, 0);
}

#endif
