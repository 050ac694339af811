#include "ek_dots.h"
#include "ek_assembly.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* r1 and r3 the pixels, r5 the table, r7 y; sums can only be in even registers: r0, r4, r8, r12 those of the first
 * pixel, r2, r6, r10, lr those of the second one. They wrap, and so does the bias: the result fits. Loads stand between
 * multiplications, which they overlap with. */
#define CHUNK_TWO(multiply)                                                                                            \
    "vldrw.u32 q0, [r1], #16\n"                                                                                        \
    "vldrw.u32 q2, [r5], #16\n" multiply " r0, q2, q0\n"                                                               \
    "vldrw.u32 q1, [r3], #16\n" multiply " r2, q2, q1\n"                                                               \
    "vldrw.u32 q3, [r5], #16\n" multiply " r4, q3, q0\n"                                                               \
    "vldrw.u32 q2, [r5], #16\n" multiply " r6, q3, q1\n" multiply " r8, q2, q0\n"                                      \
    "vldrw.u32 q3, [r5], #16\n" multiply " r10, q2, q1\n" multiply " r12, q3, q0\n" multiply " lr, q3, q1\n"
#define CHUNK_ONE(multiply)                                                                                            \
    "vldrw.u32 q0, [r1], #16\n"                                                                                        \
    "vldrw.u32 q1, [r5], #16\n" multiply " r0, q1, q0\n"                                                               \
    "vldrw.u32 q2, [r5], #16\n" multiply " r4, q2, q0\n"                                                               \
    "vldrw.u32 q1, [r5], #16\n" multiply " r8, q1, q0\n"                                                               \
    "vldrw.u32 q2, [r5], #16\n" multiply " r12, q2, q0\n"

#define STACK_PIXELS "[sp]"
#define STACK_Y_STEP "[sp, #8]"
#define STACK_END "[sp, #12]"
#define STACK_FROM "[sp, #16]"

/* The first sixteen inputs start the sums; the others run four times sixteen a round, the first round entered where a
 * multiple of four is left. `finish` makes codes of the sums by the biases in q2, the multipliers in q3 and the shifts
 * in q4. */
#define DOTS(name, chunk, finish)                                                                                      \
    __asm__(EK_FUNCTION(                                                                                               \
        name) "push {r4-r11, lr}\n"                                                                                    \
              "vpush {d8-d15}\n"                                                                                       \
              "sub sp, sp, #28\n"                                                                                      \
              "mov r7, r2\n"                                                                                           \
              "ldm r3, {r5, r6, r8, r10}\n" /* table, end, y_step, chunks */                                           \
              "strd r0, r1, " STACK_PIXELS "\n"                                                                        \
              "strd r8, r6, " STACK_Y_STEP "\n"                                                                        \
              "add r9, r0, r10, lsl #4\n"                                                                              \
              "ldr r2, [r3, #16]\n"                                                                                    \
              "ldrd r4, r6, [r3, #20]\n"                                                                               \
              "ldrd r0, r1, [r3, #28]\n"                                                                               \
              "strd r0, r1, " STACK_FROM "\n"                                                                          \
              "vdup.32 q5, r2\n"                                                                                       \
              "vdup.32 q6, r4\n"                                                                                       \
              "vdup.32 q7, r6\n"                                                                                       \
              "rsbs r11, r10, #1\n"                                                                                    \
              "ite eq\n"                                                                                               \
              "moveq r11, #4\n"                                                                                        \
              "andne r11, r11, #3\n"                                                                                   \
              "1:\n"                                                                                                   \
              "ldrd r1, r3, " STACK_PIXELS "\n" chunk(                                                                 \
                  "vmladav.s8") "tbb [pc, r11]\n"                                                                      \
                                "2:\n"                                                                                 \
                                ".byte (10f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2, (13f - 2b) / 2\n"               \
                                ".byte (14f - 2b) / 2\n"                                                               \
                                ".p2align 1\n"                                                                         \
                                "10:\n" chunk("vmladava.s8") "11:\n" chunk("vmladava.s8") "12:\n" chunk(               \
                                    "vmladava.s8") "13:\n" chunk("vmladava.s8") "cmp r1, r9\n"                         \
                                                                                "bne 10b\n"                            \
                                                                                "14:\n"                                \
                                                                                "vldrw.u32 q2, [r5], #16\n"            \
                                                                                "vmov q0[2], q0[0], r0, r8\n"          \
                                                                                "vmov q0[3], q0[1], r4, r12\n"         \
                                                                                "vldrw.u32 q3, [r5], #16\n"            \
                                                                                "vldrw.u32 q4, [r5], #16\n" finish     \
                                                                                "vstrb.32 q0, [r7], #4\n"              \
                                                                                "ldr r2, " STACK_END "\n"              \
                                                                                "cmp r5, r2\n"                         \
                                                                                "bne 1b\n"                             \
                                                                                "add sp, sp, #28\n"                    \
                                                                                "vpop {d8-d15}\n"                      \
                                                                                "pop {r4-r11, pc}\n" EK_END(name))

/* Halves of negative numbers go away from zero by the -1 of EK_TWICE in ek_assembly.h. */
#define TWICE(sums)                                                                                                    \
    "vshr.s32 q2, " sums ", #31\n"                                                                                     \
    "vqrdmulh.s32 " sums ", " sums ", q3\n"                                                                            \
    "vadd.i32 " sums ", " sums ", q2\n"
#define ONCE(sums) "vmulh.s32 " sums ", " sums ", q3\n"

#define SHIFT_ONE                                                                                                      \
    "vrshl.s32 q0, q0, q4\n"                                                                                           \
    "vadd.i32 q0, q0, q5\n"                                                                                            \
    "vmax.s32 q0, q0, q6\n"                                                                                            \
    "vmin.s32 q0, q0, q7\n"

/* The second pixel's codes are stored. */
#define SHIFT_TWO                                                                                                      \
    "ldr r0, " STACK_Y_STEP "\n"                                                                                       \
    "vrshl.s32 q0, q0, q4\n"                                                                                           \
    "vrshl.s32 q1, q1, q4\n"                                                                                           \
    "vadd.i32 q0, q0, q5\n"                                                                                            \
    "vadd.i32 q1, q1, q5\n"                                                                                            \
    "vmax.s32 q0, q0, q6\n"                                                                                            \
    "vmax.s32 q1, q1, q6\n"                                                                                            \
    "vmin.s32 q0, q0, q7\n"                                                                                            \
    "vmin.s32 q1, q1, q7\n"                                                                                            \
    "add r0, r0, r7\n"                                                                                                 \
    "vstrb.32 q1, [r0]\n"

#define BIAS_ONE "vadd.i32 q0, q0, q2\n"
#define BIAS_TWO                                                                                                       \
    "vmov q1[2], q1[0], r2, r10\n"                                                                                     \
    "vmov q1[3], q1[1], r6, lr\n"                                                                                      \
    "vadd.i32 q0, q0, q2\n"                                                                                            \
    "vadd.i32 q1, q1, q2\n"
#define FROM                                                                                                           \
    "ldrd r0, r2, " STACK_FROM "\n"                                                                                    \
    "vadd.i32 q0, q0, r0\n"                                                                                            \
    "vadd.i32 q1, q1, r2\n"

DOTS(ek_dots_twice, CHUNK_TWO, BIAS_TWO TWICE("q0") TWICE("q1") SHIFT_TWO);
DOTS(ek_dots_once, CHUNK_TWO, BIAS_TWO ONCE("q0") ONCE("q1") SHIFT_TWO);
DOTS(ek_dots_from_twice, CHUNK_TWO, BIAS_TWO FROM TWICE("q0") TWICE("q1") SHIFT_TWO);
DOTS(ek_dots_single_twice, CHUNK_ONE, BIAS_ONE TWICE("q0") SHIFT_ONE);
DOTS(ek_dots_single_once, CHUNK_ONE, BIAS_ONE ONCE("q0") SHIFT_ONE);

#else

static int8_t code_of(const int8_t *x, const int8_t *w, const int32_t *constants, uint32_t acc, const ek_dots *run,
                      int32_t twice)
{
    acc += (uint32_t)constants[0];
    for (int32_t i = 0; i < 16 * run->chunks; ++i) {
        acc += (uint32_t)(x[i] * w[(i >> 4) * 64 + (i & 15)]);
    }
    const ek_channel channel = {0, constants[4], twice ? 1 : 0, (uint16_t)-constants[8]};
    const ek_output out = {run->zero_point, run->low, run->high, twice};
    return ek_requantize((int32_t)acc, &channel, out, twice);
}

static void dots(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run, int32_t twice, int32_t from)
{
    const uint32_t from0 = from ? (uint32_t)run->from[0] : 0, from1 = from ? (uint32_t)run->from[1] : 0;
    for (const int32_t *table = run->table; table != run->end; table += EK_FOUR_WORDS(run->chunks)) {
        const int8_t *w = (const int8_t *)table;
        const int32_t *constants = table + 16 * run->chunks;
        for (int32_t i = 0; i < 4; ++i) {
            y[run->y_step + i] = code_of(x1, w + 16 * i, constants + i, from1, run, twice);
            y[i] = code_of(x0, w + 16 * i, constants + i, from0, run, twice);
        }
        y += 4;
    }
}

void ek_dots_twice(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run)
{
    dots(x0, x1, y, run, 1, 0);
}

void ek_dots_once(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run)
{
    dots(x0, x1, y, run, 0, 0);
}

void ek_dots_from_twice(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run)
{
    dots(x0, x1, y, run, 1, 1);
}

void ek_dots_single_twice(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run)
{
    (void)x1;
    dots(x0, x0, y, run, 1, 0);
}

void ek_dots_single_once(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run)
{
    (void)x1;
    dots(x0, x0, y, run, 0, 0);
}

#endif
