#include "ek_columns.h"

uint32_t *ek_widen_channels(int32_t pairs, int32_t quads, int32_t weight_zero, const int8_t *w,
                            const ek_channel *channels, uint32_t *tile)
{
    const uint32_t minus_zero = ek_pair(-weight_zero, -weight_zero);
    const uint32_t *words = (const uint32_t *)(const void *)w;
    for (; pairs > 0; --pairs) {
        *tile++ = (uint32_t)channels[0].bias;
        *tile++ = (uint32_t)channels[1].bias;
        for (int32_t n = quads; n > 0; --n) {
            const uint32_t first = words[0], second = words[1];
            tile[0] = ek_sxtab16(minus_zero, first);
            tile[1] = ek_sxtab16_odd(minus_zero, first);
            tile[2] = ek_sxtab16(minus_zero, second);
            tile[3] = ek_sxtab16_odd(minus_zero, second);
            words += 2;
            tile += 4;
        }
        for (int32_t i = 0; i < 2; ++i) {
            *tile++ = (uint32_t)channels[i].multiplier;
            *tile++ = (uint32_t)channels[i].right - 1u;
        }
        channels += 2;
    }
    return tile;
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

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
#define STACK_OFFSET "[sp, #16]"
#define STACK_COLUMNS_END "[sp, #20]"
#define STACK_TILE_END "[sp, #24]"

/* `finish` makes four results of the accumulators, the tile's pointer standing behind the weights. The loop over quads
 * runs eight at a time; its first round is entered where the count is a multiple of eight from there. */
#define MULTIPLY(name, finish)                                                                                         \
    __asm__(".syntax unified\n"                                                                                        \
            ".section .text." #name ",\"ax\",%progbits\n"                                                              \
            ".p2align 2\n"                                                                                             \
            ".global " #name "\n"                                                                                      \
            ".thumb\n"                                                                                                 \
            ".thumb_func\n"                                                                                            \
            ".type " #name ", %function\n" #name ":\n"                                                                 \
            "push {r4-r11, lr}\n"                                                                                      \
            "sub sp, sp, #28\n"                                                                                        \
            "ldm r3, {r4-r7}\n" /* pairs, quads, y_step, offset */                                                     \
            "strd r2, r6, " STACK_Y "\n"                                                                               \
            "str r0, " STACK_COLUMNS "\n"                                                                              \
            "rsb r6, r5, #0\n"                                                                                         \
            "and r6, r6, #7\n"                                                                                         \
            "str r6, " STACK_ENTRY "\n"                                                                                \
            "str r7, " STACK_OFFSET "\n"                                                                               \
            "add r6, r0, r5, lsl #4\n"                                                                                 \
            "str r6, " STACK_COLUMNS_END "\n"                                                                          \
            "lsl r5, r5, #4\n"                                                                                         \
            "add r5, r5, #24\n"                                                                                        \
            "mla r4, r4, r5, r1\n"                                                                                     \
            "str r4, " STACK_TILE_END "\n"                                                                             \
            "1:\n"                                                                                                     \
            "ldrd r10, r12, [r1], #8\n"                                                                                \
            "ldr r2, " STACK_ENTRY "\n"                                                                                \
            "ldr r0, " STACK_COLUMNS "\n"                                                                              \
            "mov r11, r10\n"                                                                                           \
            "mov lr, r12\n"                                                                                            \
            "tbb [pc, r2]\n"                                                                                           \
            "2:\n"                                                                                                     \
            ".byte (10f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2, (13f - 2b) / 2\n"                                   \
            ".byte (14f - 2b) / 2, (15f - 2b) / 2, (16f - 2b) / 2, (17f - 2b) / 2\n" QUAD(10) QUAD(11) QUAD(12)        \
                QUAD(13) QUAD(14) QUAD(15) QUAD(16) QUAD(17) "ldr r2, " STACK_COLUMNS_END "\n"                         \
                                                             "cmp r0, r2\n"                                            \
                                                             "bne 10b\n" finish "ldr r2, " STACK_TILE_END "\n"         \
                                                             "cmp r1, r2\n"                                            \
                                                             "bne 1b\n"                                                \
                                                             "add sp, sp, #28\n"                                       \
                                                             "pop {r4-r11, pc}\n"                                      \
                                                             ".size " #name ", . - " #name "\n"                        \
                                                             ".text\n")

/* Constants of both channels to r2-r5, y and its step to r6 and r7, the offset to r8. */
#define LOAD_OUTPUT                                                                                                    \
    "ldmia.w r1!, {r2-r5}\n"                                                                                           \
    "ldrd r6, r7, " STACK_Y "\n"                                                                                       \
    "ldr r8, " STACK_OFFSET "\n"

#define TWICE(acc, multiplier, shift)                                                                                  \
    "lsl " #acc ", " #acc ", #1\n"                                                                                     \
    "smmulr " #acc ", " #acc ", " #multiplier "\n"                                                                     \
    "add " #acc ", " #acc ", " #acc ", asr #31\n"                                                                      \
    "asr " #acc ", " #acc ", " #shift "\n"                                                                             \
    "add " #acc ", " #acc ", r8\n"                                                                                     \
    "ssat " #acc ", #8, " #acc ", asr #1\n"

#define ONCE(acc, multiplier, shift)                                                                                   \
    "smmul " #acc ", " #acc ", " #multiplier "\n"                                                                      \
    "asr " #acc ", " #acc ", " #shift "\n"                                                                             \
    "add " #acc ", " #acc ", r8\n"                                                                                     \
    "ssat " #acc ", #8, " #acc ", asr #1\n"

/* The second pixel first: with one pixel both go to the same place. */
#define STORE_OUTPUT                                                                                                   \
    "strb r11, [r6, r7]\n"                                                                                             \
    "strb r10, [r6], #1\n"                                                                                             \
    "strb lr, [r6, r7]\n"                                                                                              \
    "strb r12, [r6], #1\n"                                                                                             \
    "str r6, " STACK_Y "\n"

MULTIPLY(ek_multiply_columns_twice,
         LOAD_OUTPUT TWICE(r11, r2, r3) TWICE(r10, r2, r3) TWICE(lr, r4, r5) TWICE(r12, r4, r5) STORE_OUTPUT);
MULTIPLY(ek_multiply_columns_once,
         LOAD_OUTPUT ONCE(r11, r2, r3) ONCE(r10, r2, r3) ONCE(lr, r4, r5) ONCE(r12, r4, r5) STORE_OUTPUT);
MULTIPLY(ek_multiply_columns, "add r1, r1, #16\n"
                              "ldr r6, " STACK_Y "\n"
                              "strd r10, r11, [r6], #8\n"
                              "strd r12, lr, [r6], #8\n"
                              "str r6, " STACK_Y "\n");

#else

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
    const ek_output out = {run->offset >> 1, -128, 127, twice};
    const ek_run one = {1, run->quads, 0, 0};
    for (int32_t pair = 0; pair < run->pairs; ++pair) {
        const uint32_t *constants = tile + 2 + 4 * run->quads;
        int32_t acc[4];
        ek_multiply_columns(columns, tile, acc, &one);
        for (int32_t i = 0; i < 2; ++i) {
            const ek_channel channel = {0, (int32_t)constants[2 * i], (uint16_t)(twice ? 1 : 0),
                                        (uint16_t)(constants[2 * i + 1] + 1u)};
            y[i + run->y_step] = ek_requantize(acc[2 * i + 1], &channel, out, twice);
            y[i] = ek_requantize(acc[2 * i], &channel, out, twice);
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
