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
 * neighbouring pixels. The run lies on the stack. */
#define WEIGHTS "[sp]"
#define BIAS "[sp, #4]"
#define MULTIPLIER_SHIFT "[sp, #8]"
#define OFFSET "[sp, #16]"
#define COLUMN_BYTES "[sp, #20]"
#define Y_STEP "[sp, #24]"
#define Y_ROW "[sp, #28]"
#define ROWS "[sp, #32]"
#define ROW_BYTES "[sp, #36]"
#define PAIR_BYTES "[sp, #40]"
#define SINGLE "[sp, #44]"
#define Y "[sp, #48]"
#define ROW_START "[sp, #52]"
#define PAIRS_END "[sp, #60]"

#define ENTER                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, sp, #68\n"                                                                                                \
    "ldmia.w r2!, {r3-r8}\n"                                                                                           \
    "stmia.w sp, {r3-r8}\n"                                                                                            \
    "ldm r2, {r3-r8}\n"                                                                                                \
    "add r2, sp, #24\n"                                                                                                \
    "stm r2, {r3-r8}\n"

#define COLUMNS "ldm r0, {r2-r6}\n"
#define NEXT_COLUMNS                                                                                                   \
    "ldr r2, " COLUMN_BYTES "\n"                                                                                       \
    "add r0, r0, r2\n" COLUMNS
#define NEXT_TAPS "ldmia.w r1!, {r7-r11}\n"

/* Two taps of a pixel; its first one alone; its last one alone. */
#define TWO(acc)                                                                                                       \
    "smlad " #acc ", r7, r2, " #acc "\n"                                                                               \
    "smlad " #acc ", r8, r3, " #acc "\n"                                                                               \
    "smlad " #acc ", r9, r4, " #acc "\n"                                                                               \
    "smlad " #acc ", r10, r5, " #acc "\n"                                                                              \
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

/* The plane's pointer ends at the first columns of the pair of pixels that follows. */
#define PAIR_STRIDE_1                                                                                                  \
    COLUMNS NEXT_TAPS TWO(r12) FIRST(lr) NEXT_COLUMNS NEXT_TAPS TWO(r12)                                               \
    NEXT_TAPS TWO(lr)                                                                                                  \
    NEXT_COLUMNS NEXT_TAPS LAST(r12) TWO(lr) "ldr r2, " COLUMN_BYTES "\n"                                              \
                                             "sub r0, r0, r2\n"
#define PAIR_STRIDE_2                                                                                                  \
    COLUMNS NEXT_TAPS TWO(r12)                                                                                         \
    NEXT_COLUMNS TWO(lr)                                                                                               \
    NEXT_TAPS TWO(r12)                                                                                                 \
    NEXT_COLUMNS TWO(lr) "add r1, r1, #20\n" NEXT_TAPS LAST(r12)                                                       \
    NEXT_COLUMNS LAST(lr) "ldr r2, " COLUMN_BYTES "\n"                                                                 \
                          "sub r0, r0, r2\n"
#define ONE                                                                                                            \
    COLUMNS NEXT_TAPS TWO(r12)                                                                                         \
    NEXT_COLUMNS NEXT_TAPS TWO(r12) "add r1, r1, #20\n" NEXT_COLUMNS NEXT_TAPS LAST(r12)

#define START                                                                                                          \
    "ldrd r1, r12, " WEIGHTS "\n" /* and the bias */                                                                   \
    "mov lr, r12\n"

#define CONSTANTS                                                                                                      \
    "ldrd r2, r3, " MULTIPLIER_SHIFT "\n"                                                                              \
    "ldr r4, " OFFSET "\n"                                                                                             \
    "ldr r6, " Y "\n"

#define ROWS_5X5(name, pair, requantize)                                                                               \
    __asm__(EK_FUNCTION(name) ENTER                                                                                    \
            "1:\n"                                                                                                     \
            "strd r0, r1, " ROW_START "\n"                                                                             \
            "str r1, " Y "\n"                                                                                          \
            "ldr r2, " PAIR_BYTES "\n"                                                                                 \
            "add r2, r0, r2\n"                                                                                         \
            "str r2, " PAIRS_END "\n"                                                                                  \
            "cmp r0, r2\n"                                                                                             \
            "beq 3f\n"                                                                                                 \
            "2:\n" START pair CONSTANTS requantize(r12, r2, r3, r4, r5)                                                \
                requantize(lr, r2, r3, r4, r5) "ldr r7, " Y_STEP "\n"                                                  \
                                               "ldr r2, " PAIRS_END "\n"                                               \
                                               "strb r12, [r6]\n"                                                      \
                                               "strb lr, [r6, r7]\n"                                                   \
                                               "add r6, r6, r7, lsl #1\n"                                              \
                                               "str r6, " Y "\n"                                                       \
                                               "cmp r0, r2\n"                                                          \
                                               "bne 2b\n"                                                              \
                                               "3:\n"                                                                  \
                                               "ldr r2, " SINGLE "\n"                                                  \
                                               "cmp r2, #0\n"                                                          \
                                               "beq 4f\n" START ONE CONSTANTS requantize(                              \
                                                   r12, r2, r3, r4, r5) "strb r12, [r6]\n"                             \
                                                                        "4:\n"                                         \
                                                                        "ldrd r0, r1, " ROW_START "\n"                 \
                                                                        "ldr r2, " ROW_BYTES "\n"                      \
                                                                        "ldr r3, " Y_ROW "\n"                          \
                                                                        "ldr r4, " ROWS "\n"                           \
                                                                        "add r0, r0, r2\n"                             \
                                                                        "add r1, r1, r3\n"                             \
                                                                        "subs r4, r4, #1\n"                            \
                                                                        "str r4, " ROWS "\n"                           \
                                                                        "bne 1b\n"                                     \
                                                                        "add sp, sp, #68\n"                            \
                                                                        "pop {r4-r11, pc}\n" EK_END(name))

ROWS_5X5(ek_rows_5x5_twice, PAIR_STRIDE_1, EK_TWICE);
ROWS_5X5(ek_rows_5x5_once, PAIR_STRIDE_1, EK_ONCE);
ROWS_5X5(ek_rows_5x5_apart_twice, PAIR_STRIDE_2, EK_TWICE);
ROWS_5X5(ek_rows_5x5_apart_once, PAIR_STRIDE_2, EK_ONCE);

#else

void ek_rows_5x5_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 5, 1, 1);
}

void ek_rows_5x5_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 5, 1, 0);
}

void ek_rows_5x5_apart_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 5, 2, 1);
}

void ek_rows_5x5_apart_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run)
{
    ek_rows_twin(plane, y, run, 5, 2, 0);
}

#endif

static void rows_twice(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride)
{
    if (stride == 1) {
        ek_rows_5x5_twice(plane, y, run);
    } else {
        ek_rows_5x5_apart_twice(plane, y, run);
    }
}

static void rows_once(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride)
{
    if (stride == 1) {
        ek_rows_5x5_once(plane, y, run);
    } else {
        ek_rows_5x5_apart_once(plane, y, run);
    }
}

void ek_depthwise_5x5_s8_dsp_twice(const ek_conv_params *p, int32_t band_rows, const int8_t *x, const int8_t *w,
                                   const ek_channel *channels, int8_t *y, void *scratch)
{
    ek_depthwise_planes(p, band_rows, x, w, channels, y, (uint32_t *)scratch, 5, rows_twice);
}

void ek_depthwise_5x5_s8_dsp_once(const ek_conv_params *p, int32_t band_rows, const int8_t *x, const int8_t *w,
                                  const ek_channel *channels, int8_t *y, void *scratch)
{
    ek_depthwise_planes(p, band_rows, x, w, channels, y, (uint32_t *)scratch, 5, rows_once);
}
