#include "ek_assembly.h"
#include "ek_planes.h"

/* One channel of one band, at stride 1 and at stride 2. Weights: of three rows the taps (0, 1), then (1, 2). */
void ek_rows_3x3_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_apart_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_apart_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 plane, r1 y, r2 temporary, r3-r5 three rows of two columns, r6-r11 weights, r12 and lr accumulators of two
 * neighbouring pixels. What the run says lies on the stack, the bias twice. */
#define BIAS "[sp]"
#define MULTIPLIER_SHIFT "[sp, #8]"
#define OFFSET "[sp, #16]"
#define COLUMN_BYTES "[sp, #20]"
#define Y_STEP_PAIRS_END "[sp, #24]"
#define PAIRS_END "[sp, #28]"
#define Y_ROW_ROWS "[sp, #32]"
#define ROWS "[sp, #36]"
#define ROW_BYTES "[sp, #40]"
#define PAIR_BYTES "[sp, #44]"
#define SINGLE "[sp, #48]"
#define ROW_START "[sp, #52]"

#define ENTER                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, sp, #60\n"                                                                                                \
    "ldmia.w r2!, {r3-r12}\n" /* all but the last two words, the pointer to the weights first */                       \
    "strd r4, r4, [sp]\n"                                                                                              \
    "strd r5, r6, [sp, #8]\n"                                                                                          \
    "strd r7, r8, [sp, #16]\n"                                                                                         \
    "str r9, [sp, #24]\n"                                                                                              \
    "strd r10, r11, [sp, #32]\n"                                                                                       \
    "str r12, [sp, #40]\n"                                                                                             \
    "ldrd r4, r5, [r2]\n"                                                                                              \
    "strd r4, r5, [sp, #44]\n"                                                                                         \
    "ldm r3, {r6-r11}\n"

/* A pixel takes the taps 0 and 1 of a row from one pair of columns, tap 2 from the pair that follows; the pixel beside
 * it its tap 0 from the first pair, 1 and 2 from the second one. The columns of the last pair come one by one, each
 * beside a product of those before it. */
#define PAIR_STRIDE_1                                                                                                  \
    "ldm r0, {r3-r5}\n"                                                                                                \
    "ldr lr, " BIAS "\n" /* on M4, two loads are a cycle less than a pair */                                           \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "smlad r12, r6, r3, lr\n"                                                                                          \
    "smlatb lr, r3, r6, lr\n"                                                                                          \
    "smlatb lr, r4, r7, lr\n"                                                                                          \
    "add r0, r0, r2\n"                                                                                                 \
    "smlad r12, r7, r4, r12\n"                                                                                         \
    "ldr r3, [r0]\n"                                                                                                   \
    "ldr r4, [r0, #4]\n"                                                                                               \
    "smlatb lr, r5, r8, lr\n"                                                                                          \
    "smlad lr, r9, r3, lr\n"                                                                                           \
    "smlad r12, r8, r5, r12\n"                                                                                         \
    "smlabt r12, r3, r9, r12\n"                                                                                        \
    "ldr r5, [r0, #8]\n"                                                                                               \
    "ldr r2, " OFFSET "\n"                                                                                             \
    "smlabt r12, r4, r10, r12\n"                                                                                       \
    "smlad lr, r10, r4, lr\n"                                                                                          \
    "smlabt r12, r5, r11, r12\n"                                                                                       \
    "smlad lr, r11, r5, lr\n"

#define PAIR_STRIDE_2                                                                                                  \
    "ldm r0, {r3-r5}\n"                                                                                                \
    "ldrd r12, lr, " BIAS "\n"                                                                                         \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "smlad r12, r6, r3, r12\n"                                                                                         \
    "add r0, r0, r2\n"                                                                                                 \
    "smlad r12, r7, r4, r12\n"                                                                                         \
    "smlad r12, r8, r5, r12\n"                                                                                         \
    "ldm r0, {r3-r5}\n"                                                                                                \
    "add r0, r0, r2\n"                                                                                                 \
    "smlad lr, r6, r3, lr\n"                                                                                           \
    "smlabt r12, r3, r9, r12\n"                                                                                        \
    "ldr r2, " OFFSET "\n"                                                                                             \
    "ldr r3, [r0]\n"                                                                                                   \
    "smlad lr, r7, r4, lr\n"                                                                                           \
    "smlabt r12, r4, r10, r12\n"                                                                                       \
    "smlad lr, r8, r5, lr\n"                                                                                           \
    "smlabt r12, r5, r11, r12\n"                                                                                       \
    "ldr r4, [r0, #4]\n"                                                                                               \
    "ldr r5, [r0, #8]\n"                                                                                               \
    "smlabt lr, r3, r9, lr\n"                                                                                          \
    "smlabt lr, r4, r10, lr\n"                                                                                         \
    "smlabt lr, r5, r11, lr\n"

#define STORE_PAIR                                                                                                     \
    "asr r12, r12, r4\n"                                                                                               \
    "ldrd r2, r3, " Y_STEP_PAIRS_END "\n"                                                                              \
    "asr lr, lr, r4\n"                                                                                                 \
    "cmp r0, r3\n"                                                                                                     \
    "ssat r12, #8, r12, asr #1\n"                                                                                      \
    "strb r12, [r1]\n"                                                                                                 \
    "ssat lr, #8, lr, asr #1\n"                                                                                        \
    "strb lr, [r1, r2]\n"                                                                                              \
    "add r1, r1, r2, lsl #1\n"

/* One pixel, at either stride. */
#define SINGLE_PIXEL                                                                                                   \
    "ldr r12, " BIAS "\n"                                                                                              \
    "ldm r0, {r3-r5}\n"                                                                                                \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "smlad r12, r6, r3, r12\n"                                                                                         \
    "add r0, r0, r2\n"                                                                                                 \
    "smlad r12, r7, r4, r12\n"                                                                                         \
    "smlad r12, r8, r5, r12\n"                                                                                         \
    "ldm r0, {r3-r5}\n"                                                                                                \
    "ldr r2, " OFFSET "\n"                                                                                             \
    "smlabt r12, r3, r9, r12\n"                                                                                        \
    "smlabt r12, r4, r10, r12\n"                                                                                       \
    "smlabt r12, r5, r11, r12\n"

#define ROWS_3X3(name, pair, scale, requantize)                                                                        \
    __asm__(EK_FUNCTION(name) ENTER "1:\n"                                                                             \
                                    "strd r0, r1, " ROW_START "\n"                                                     \
                                    "ldr r2, " PAIR_BYTES "\n"                                                         \
                                    "add r2, r0, r2\n"                                                                 \
                                    "str r2, " PAIRS_END "\n"                                                          \
                                    "cmp r0, r2\n"                                                                     \
                                    "beq 3f\n"                                                                         \
                                    "2:\n" pair "ldrd r3, r4, " MULTIPLIER_SHIFT "\n" scale(r12, lr, r3, r2, r5)       \
                                        STORE_PAIR                                                                     \
            "bne 2b\n"                                                                                                 \
            "3:\n"                                                                                                     \
            "ldr r2, " SINGLE "\n"                                                                                     \
            "cbz r2, 4f\n" SINGLE_PIXEL "ldrd r3, r4, " MULTIPLIER_SHIFT                                               \
            "\n" requantize(r12, r3, r4, r2, r5) "strb r12, [r1]\n"                                                    \
                                                 "4:\n"                                                                \
                                                 "ldrd r0, r1, " ROW_START "\n"                                        \
                                                 "ldr r2, " ROW_BYTES "\n"                                             \
                                                 "ldrd r3, r4, " Y_ROW_ROWS "\n"                                       \
                                                 "add r0, r0, r2\n"                                                    \
                                                 "add r1, r1, r3\n"                                                    \
                                                 "subs r4, r4, #1\n"                                                   \
                                                 "str r4, " ROWS "\n"                                                  \
                                                 "bne 1b\n"                                                            \
                                                 "add sp, sp, #60\n"                                                   \
                                                 "pop {r4-r11, pc}\n" EK_END(name))

ROWS_3X3(ek_rows_3x3_twice, PAIR_STRIDE_1, EK_SCALE_TWICE, EK_TWICE);
ROWS_3X3(ek_rows_3x3_once, PAIR_STRIDE_1, EK_SCALE_ONCE, EK_ONCE);
ROWS_3X3(ek_rows_3x3_apart_twice, PAIR_STRIDE_2, EK_SCALE_TWICE, EK_TWICE);
ROWS_3X3(ek_rows_3x3_apart_once, PAIR_STRIDE_2, EK_SCALE_ONCE, EK_ONCE);

#else

EK_ROWS_TWINS(3x3, 3)

#endif

EK_DEPTHWISE_PLANES(3x3, 3, twice)
EK_DEPTHWISE_PLANES(3x3, 3, once)
