#include "ek_assembly.h"
#include "ek_planes.h"

/* One channel of one band, at stride 1 and at stride 2. Weights: of five rows the taps (0, 1), then (2, 3), (1, 2) and
 * (3, 4). */
void ek_rows_5x5_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_5x5_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_5x5_apart_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_5x5_apart_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 plane, r1 weights, r2-r6 five rows of two columns, r7-r11 five rows of two taps, r12 and lr accumulators of two
 * neighbouring pixels. What the run says lies on the stack. */
#define WEIGHTS_BIAS "[sp]"
#define MULTIPLIER_SHIFT "[sp, #8]"
#define OFFSET_COLUMN_BYTES "[sp, #16]"
#define COLUMN_BYTES "[sp, #20]"
#define Y_STEP_PAIRS_END "[sp, #24]"
#define PAIRS_END "[sp, #28]"
#define Y_ROW_ROWS "[sp, #32]"
#define ROWS "[sp, #36]"
#define ROW_BYTES "[sp, #40]"
#define PAIR_BYTES "[sp, #44]"
#define SINGLE "[sp, #48]"
#define Y "[sp, #52]"
#define ROW_START "[sp, #56]"

#define ENTER                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, sp, #68\n"                                                                                                \
    "ldmia.w r2!, {r3-r8}\n"                                                                                           \
    "stmia.w sp, {r3-r8}\n"                                                                                            \
    "ldm r2, {r3-r8}\n"                                                                                                \
    "str r3, [sp, #24]\n"                                                                                              \
    "add r2, sp, #32\n"                                                                                                \
    "stm r2, {r4-r8}\n"

#define COLUMNS "ldm r0, {r2-r6}\n"
#define NEXT_TAPS "ldmia.w r1!, {r7-r11}\n"

/* Two taps of a pixel; its first one alone; its last one alone. ON: beside the products the plane's pointer goes on to
 * the columns that follow. */
#define TWO(acc)                                                                                                       \
    "smlad " #acc ", r7, r2, " #acc "\n"                                                                               \
    "smlad " #acc ", r8, r3, " #acc "\n"                                                                               \
    "smlad " #acc ", r9, r4, " #acc "\n"                                                                               \
    "smlad " #acc ", r10, r5, " #acc "\n"                                                                              \
    "smlad " #acc ", r11, r6, " #acc "\n"
#define TWO_ON(acc)                                                                                                    \
    "smlad " #acc ", r7, r2, " #acc "\n"                                                                               \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "smlad " #acc ", r8, r3, " #acc "\n"                                                                               \
    "smlad " #acc ", r9, r4, " #acc "\n"                                                                               \
    "smlad " #acc ", r10, r5, " #acc "\n"                                                                              \
    "add r0, r0, r2\n"                                                                                                 \
    "smlad " #acc ", r11, r6, " #acc "\n"
#define FIRST(acc)                                                                                                     \
    "smlatb " #acc ", r2, r7, " #acc "\n"                                                                              \
    "smlatb " #acc ", r3, r8, " #acc "\n"                                                                              \
    "smlatb " #acc ", r4, r9, " #acc "\n"                                                                              \
    "smlatb " #acc ", r5, r10, " #acc "\n"                                                                             \
    "smlatb " #acc ", r6, r11, " #acc "\n"
#define LAST(acc)                                                                                                      \
    "smlabt " #acc ", r2, r7, " #acc "\n"                                                                              \
    "smlabt " #acc ", r3, r8, " #acc "\n"                                                                              \
    "smlabt " #acc ", r4, r9, " #acc "\n"                                                                              \
    "smlabt " #acc ", r5, r10, " #acc "\n"                                                                             \
    "smlabt " #acc ", r6, r11, " #acc "\n"
#define LAST_ON(acc)                                                                                                   \
    "smlabt " #acc ", r2, r7, " #acc "\n"                                                                              \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "smlabt " #acc ", r3, r8, " #acc "\n"                                                                              \
    "smlabt " #acc ", r4, r9, " #acc "\n"                                                                              \
    "smlabt " #acc ", r5, r10, " #acc "\n"                                                                             \
    "add r0, r0, r2\n"                                                                                                 \
    "smlabt " #acc ", r6, r11, " #acc "\n"

#define START "ldrd r1, r12, " WEIGHTS_BIAS "\n" COLUMNS NEXT_TAPS

#define PAIR_STRIDE_1                                                                                                  \
    START "mov lr, r12\n" FIRST(lr) TWO_ON(r12) COLUMNS NEXT_TAPS TWO(r12)                                             \
    NEXT_TAPS TWO_ON(lr)                                                                                               \
    COLUMNS NEXT_TAPS LAST(r12) TWO(lr)
#define PAIR_STRIDE_2                                                                                                  \
    START "mov lr, r12\n" TWO_ON(r12) COLUMNS TWO(lr)                                                                  \
    NEXT_TAPS TWO_ON(r12)                                                                                              \
    COLUMNS TWO(lr) "add r1, r1, #20\n" NEXT_TAPS LAST_ON(r12)                                                         \
    COLUMNS LAST(lr)
#define ONE                                                                                                            \
    START TWO_ON(r12)                                                                                                  \
    COLUMNS NEXT_TAPS TWO_ON(r12) "add r1, r1, #20\n" COLUMNS NEXT_TAPS LAST(r12)

/* Multiplier, shift and offset to r2-r4, y to r6; the plane's pointer back to the first columns of the pair of pixels
 * that follows. */
#define CONSTANTS                                                                                                      \
    "ldrd r4, r5, " OFFSET_COLUMN_BYTES "\n"                                                                           \
    "ldrd r2, r3, " MULTIPLIER_SHIFT "\n"                                                                              \
    "sub r0, r0, r5\n"                                                                                                 \
    "ldr r6, " Y "\n"

#define STORE_PAIR                                                                                                     \
    "asr r12, r12, r3\n"                                                                                               \
    "ldrd r7, r8, " Y_STEP_PAIRS_END "\n"                                                                              \
    "asr lr, lr, r3\n"                                                                                                 \
    "cmp r0, r8\n"                                                                                                     \
    "ssat r12, #8, r12, asr #1\n"                                                                                      \
    "strb r12, [r6]\n"                                                                                                 \
    "ssat lr, #8, lr, asr #1\n"                                                                                        \
    "strb lr, [r6, r7]\n"                                                                                              \
    "add r6, r6, r7, lsl #1\n"                                                                                         \
    "str r6, " Y "\n"

#define ROWS_5X5(name, pair, scale, requantize)                                                                        \
    __asm__(EK_FUNCTION(name) ENTER "1:\n"                                                                             \
                                    "strd r0, r1, " ROW_START "\n"                                                     \
                                    "str r1, " Y "\n"                                                                  \
                                    "ldr r2, " PAIR_BYTES "\n"                                                         \
                                    "add r2, r0, r2\n"                                                                 \
                                    "str r2, " PAIRS_END "\n"                                                          \
                                    "cmp r0, r2\n"                                                                     \
                                    "beq 3f\n"                                                                         \
                                    "2:\n" pair CONSTANTS scale(r12, lr, r2, r4, r5) STORE_PAIR                        \
            "bne 2b\n"                                                                                                 \
            "3:\n"                                                                                                     \
            "ldr r2, " SINGLE "\n"                                                                                     \
            "cmp r2, #0\n"                                                                                             \
            "beq 4f\n" ONE CONSTANTS requantize(r12, r2, r3, r4, r5) "strb r12, [r6]\n"                                \
                                                                     "4:\n"                                            \
                                                                     "ldrd r0, r1, " ROW_START "\n"                    \
                                                                     "ldr r2, " ROW_BYTES "\n"                         \
                                                                     "ldrd r3, r4, " Y_ROW_ROWS "\n"                   \
                                                                     "add r0, r0, r2\n"                                \
                                                                     "add r1, r1, r3\n"                                \
                                                                     "subs r4, r4, #1\n"                               \
                                                                     "str r4, " ROWS "\n"                              \
                                                                     "bne 1b\n"                                        \
                                                                     "add sp, sp, #68\n"                               \
                                                                     "pop {r4-r11, pc}\n" EK_END(name))

ROWS_5X5(ek_rows_5x5_twice, PAIR_STRIDE_1, EK_SCALE_TWICE, EK_TWICE);
ROWS_5X5(ek_rows_5x5_once, PAIR_STRIDE_1, EK_SCALE_ONCE, EK_ONCE);
ROWS_5X5(ek_rows_5x5_apart_twice, PAIR_STRIDE_2, EK_SCALE_TWICE, EK_TWICE);
ROWS_5X5(ek_rows_5x5_apart_once, PAIR_STRIDE_2, EK_SCALE_ONCE, EK_ONCE);

#else

EK_ROWS_TWINS(5x5, 5)

#endif

EK_DEPTHWISE_PLANES(5x5, 5, twice)
EK_DEPTHWISE_PLANES(5x5, 5, once)
