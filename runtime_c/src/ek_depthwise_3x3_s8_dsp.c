#include "ek_assembly.h"
#include "ek_planes.h"

/* One channel of one band, at stride 1 and at stride 2. Weights: of three rows the taps (0, 1), then (1, 2). */
void ek_rows_3x3_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_apart_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run);
void ek_rows_3x3_apart_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 plane, r1 y, r2 temporary, r3-r5 three rows of two columns, r6-r11 weights, r12 and lr accumulators of two
 * neighbouring pixels. The run lies on the stack. */
#define BIAS "[sp]"
#define MULTIPLIER_SHIFT "[sp, #4]"
#define OFFSET "[sp, #12]"
#define COLUMN_BYTES "[sp, #16]"
#define Y_STEP "[sp, #20]"
#define Y_ROW "[sp, #24]"
#define ROWS "[sp, #28]"
#define ROW_BYTES "[sp, #32]"
#define PAIR_BYTES "[sp, #36]"
#define SINGLE "[sp, #40]"
#define ROW_START "[sp, #44]"
#define PAIRS_END "[sp, #52]"

#define ENTER                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, sp, #60\n"                                                                                                \
    "ldmia.w r2!, {r3-r12}\n" /* all but the last two words, the pointer to the weights first */                       \
    "strd r4, r5, [sp]\n"                                                                                              \
    "strd r6, r7, [sp, #8]\n"                                                                                          \
    "strd r8, r9, [sp, #16]\n"                                                                                         \
    "strd r10, r11, [sp, #24]\n"                                                                                       \
    "str r12, [sp, #32]\n"                                                                                             \
    "ldrd r4, r5, [r2]\n"                                                                                              \
    "strd r4, r5, [sp, #36]\n"                                                                                         \
    "ldm r3, {r6-r11}\n"

#define NEXT_COLUMNS                                                                                                   \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "add r0, r0, r2\n"                                                                                                 \
    "ldm r0, {r3-r5}\n"

/* Taps 0 and 1 of a pixel whose first column is the first of the pair. */
#define FIRST_TWO(acc)                                                                                                 \
    "smlad " #acc ", r6, r3, " #acc "\n"                                                                               \
    "smlad " #acc ", r7, r4, " #acc "\n"                                                                               \
    "smlad " #acc ", r8, r5, " #acc "\n"
/* Tap 2 of that pixel, from the pair that follows. */
#define LAST_ONE(acc)                                                                                                  \
    "smlabt " #acc ", r3, r9, " #acc "\n"                                                                              \
    "smlabt " #acc ", r4, r10, " #acc "\n"                                                                             \
    "smlabt " #acc ", r5, r11, " #acc "\n"
/* Tap 0 of the pixel beside it, and then its taps 1 and 2. */
#define FIRST_ONE(acc)                                                                                                 \
    "smlatb " #acc ", r3, r6, " #acc "\n"                                                                              \
    "smlatb " #acc ", r4, r7, " #acc "\n"                                                                              \
    "smlatb " #acc ", r5, r8, " #acc "\n"
#define LAST_TWO(acc)                                                                                                  \
    "smlad " #acc ", r9, r3, " #acc "\n"                                                                               \
    "smlad " #acc ", r10, r4, " #acc "\n"                                                                              \
    "smlad " #acc ", r11, r5, " #acc "\n"

#define PAIR_STRIDE_1 FIRST_TWO(r12) FIRST_ONE(lr) NEXT_COLUMNS LAST_ONE(r12) LAST_TWO(lr)
#define PAIR_STRIDE_2 FIRST_TWO(r12) NEXT_COLUMNS LAST_ONE(r12) FIRST_TWO(lr) NEXT_COLUMNS LAST_ONE(lr)

#define CONSTANTS                                                                                                      \
    "ldrd r3, r4, " MULTIPLIER_SHIFT "\n"                                                                              \
    "ldr r5, " OFFSET "\n"

#define ROWS_3X3(name, pair, requantize)                                                                               \
    __asm__(EK_FUNCTION(name) ENTER                                                                                    \
            "1:\n"                                                                                                     \
            "strd r0, r1, " ROW_START "\n"                                                                             \
            "ldr r2, " PAIR_BYTES "\n"                                                                                 \
            "add r2, r0, r2\n"                                                                                         \
            "str r2, " PAIRS_END "\n"                                                                                  \
            "cmp r0, r2\n"                                                                                             \
            "beq 3f\n"                                                                                                 \
            "2:\n"                                                                                                     \
            "ldr r12, " BIAS "\n"                                                                                      \
            "ldm r0, {r3-r5}\n"                                                                                        \
            "mov lr, r12\n" pair CONSTANTS requantize(r12, r3, r4, r5, r2) requantize(                                 \
                lr, r3, r4, r5, r2) "ldr r2, " Y_STEP "\n"                                                             \
                                    "ldr r3, " PAIRS_END "\n"                                                          \
                                    "strb r12, [r1]\n"                                                                 \
                                    "strb lr, [r1, r2]\n"                                                              \
                                    "add r1, r1, r2, lsl #1\n"                                                         \
                                    "cmp r0, r3\n"                                                                     \
                                    "bne 2b\n"                                                                         \
                                    "3:\n"                                                                             \
                                    "ldr r2, " SINGLE "\n"                                                             \
                                    "cbz r2, 4f\n"                                                                     \
                                    "ldr r12, " BIAS "\n"                                                              \
                                    "ldm r0, {r3-r5}\n" FIRST_TWO(r12) NEXT_COLUMNS LAST_ONE(r12)                      \
                                        CONSTANTS requantize(r12, r3, r4, r5, r2) "strb r12, [r1]\n"                   \
                                                                                  "4:\n"                               \
                                                                                  "ldrd r0, r1, " ROW_START "\n"       \
                                                                                  "ldr r2, " ROW_BYTES "\n"            \
                                                                                  "ldr r3, " Y_ROW "\n"                \
                                                                                  "ldr r4, " ROWS "\n"                 \
                                                                                  "add r0, r0, r2\n"                   \
                                                                                  "add r1, r1, r3\n"                   \
                                                                                  "subs r4, r4, #1\n"                  \
                                                                                  "str r4, " ROWS "\n"                 \
                                                                                  "bne 1b\n"                           \
                                                                                  "add sp, sp, #60\n"                  \
                                                                                  "pop {r4-r11, pc}\n" EK_END(name))

ROWS_3X3(ek_rows_3x3_twice, PAIR_STRIDE_1, EK_TWICE);
ROWS_3X3(ek_rows_3x3_once, PAIR_STRIDE_1, EK_ONCE);
ROWS_3X3(ek_rows_3x3_apart_twice, PAIR_STRIDE_2, EK_TWICE);
ROWS_3X3(ek_rows_3x3_apart_once, PAIR_STRIDE_2, EK_ONCE);

#else

void ek_rows_3x3_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 3, 1, 1);
}

void ek_rows_3x3_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 3, 1, 0);
}

void ek_rows_3x3_apart_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 3, 2, 1);
}

void ek_rows_3x3_apart_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 3, 2, 0);
}

#endif

static void rows_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride)
{
    if (stride == 1) {
        ek_rows_3x3_twice(plane, y, run);
    } else {
        ek_rows_3x3_apart_twice(plane, y, run);
    }
}

static void rows_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride)
{
    if (stride == 1) {
        ek_rows_3x3_once(plane, y, run);
    } else {
        ek_rows_3x3_apart_once(plane, y, run);
    }
}

void ek_depthwise_3x3_s8_dsp_twice(const ek_conv_params *p, int32_t band_rows, const int8_t *x, const int8_t *w,
                                   const ek_channel *channels, int8_t *y, void *scratch)
{
    ek_depthwise_planes(p, band_rows, x, w, channels, y, (uint32_t *)scratch, 3, rows_twice);
}

void ek_depthwise_3x3_s8_dsp_once(const ek_conv_params *p, int32_t band_rows, const int8_t *x, const int8_t *w,
                                  const ek_channel *channels, int8_t *y, void *scratch)
{
    ek_depthwise_planes(p, band_rows, x, w, channels, y, (uint32_t *)scratch, 3, rows_once);
}
