#include "ek_strips.h"
#include "ek_assembly.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include <arm_mve.h>

/* r0 strip, r1 y, r2 high, r3 from block to block of y, r5 bias, r7 multiplier, r9 shift, r11 zero point, r12 table, lr
 * blocks left; sums can only be in even registers: r4, r6, r8, r10. q2 holds the places of four codes, q3 low, q4-q7
 * weights. */
#define STACK_STRIP_Y "[sp]"
#define STACK_RUN "[sp, #8]"
#define STACK_TABLE_END "[sp, #12]"
#define STACK_BACK "[sp, #16]"

/* `places` makes q2 of a code's step in r4 and a row's in r6, and r3; a block is `sums`, then `finish` on q1. */
#define STRIPS(name, places, weights, sums, finish, table_bytes, column_shift)                                         \
    __asm__(EK_FUNCTION(name) "push {r4-r11, lr}\n"                                                                    \
                              "vpush {d8-d15}\n"                                                                       \
                              "sub sp, sp, #20\n"                                                                      \
                              "strd r0, r1, " STACK_STRIP_Y "\n"                                                       \
                              "ldr r12, [r2]\n"                                                                        \
                              "ldrd r4, r6, [r2, #8]\n"                                                                \
                              "ldrd r11, r8, [r2, #24]\n"                                                              \
                              "add r10, r12, #" table_bytes "\n"                                                       \
                              "strd r2, r10, " STACK_RUN "\n"                                                          \
                              "ldr r2, [r2, #32]\n"                                                                    \
                              "vdup.32 q3, r8\n" places "1:\n" weights "ldmia r12!, {r5, r7, r9}\n"                    \
                              "ldrd r0, r1, " STACK_STRIP_Y "\n"                                                       \
                              "ldr r4, " STACK_RUN "\n"                                                                \
                              "ldrd r4, r6, [r4, #16]\n"                                                               \
                              "str r6, " STACK_BACK "\n"                                                               \
                              "dls lr, r4\n"                                                                           \
                              "2:\n" sums "vadd.i32 q1, q1, r5\n" finish "vrshl.s32 q1, r9\n"                          \
                              "vadd.i32 q1, q1, r11\n"                                                                 \
                              "vmax.s32 q1, q1, q3\n"                                                                  \
                              "vdup.32 q0, r2\n"                                                                       \
                              "vmin.s32 q1, q1, q0\n"                                                                  \
                              "vstrb.32 q1, [r1, q2]\n"                                                                \
                              "add r1, r1, r3\n"                                                                       \
                              "le lr, 2b\n"                                                                            \
                              "ldr r6, " STACK_BACK "\n"                                                               \
                              "cbz r6, 3f\n"                                                                           \
                              "ldr r4, " STACK_RUN "\n"                                                                \
                              "ldr r4, [r4, #8]\n"                                                                     \
                              "sub r0, r0, r6, lsl #" column_shift "\n"                                                \
                              "mls r1, r6, r4, r1\n"                                                                   \
                              "movs r6, #0\n"                                                                          \
                              "str r6, " STACK_BACK "\n"                                                               \
                              "mov lr, #1\n"                                                                           \
                              "b 2b\n"                                                                                 \
                              "3:\n"                                                                                   \
                              "ldrd r4, r10, " STACK_RUN "\n"                                                          \
                              "ldrd r0, r1, " STACK_STRIP_Y "\n"                                                       \
                              "ldr r4, [r4, #4]\n"                                                                     \
                              "adds r1, r1, #1\n"                                                                      \
                              "add r0, r0, r4\n"                                                                       \
                              "strd r0, r1, " STACK_STRIP_Y "\n"                                                       \
                              "cmp r12, r10\n"                                                                         \
                              "bne 1b\n"                                                                               \
                              "add sp, sp, #20\n"                                                                      \
                              "vpop {d8-d15}\n"                                                                        \
                              "pop {r4-r11, pc}\n" EK_END(name))

#define TWICE                                                                                                          \
    "vshr.s32 q0, q1, #31\n"                                                                                           \
    "vqrdmulh.s32 q1, q1, r7\n"                                                                                        \
    "vadd.i32 q1, q1, q0\n"
#define ONCE                                                                                                           \
    "vdup.32 q0, r7\n"                                                                                                 \
    "vmulh.s32 q1, q1, q0\n"

#define FOUR_SUMS                                                                                                      \
    "vmov q1[2], q1[0], r4, r8\n"                                                                                      \
    "vmov q1[3], q1[1], r6, r10\n"

/* 3x3: two rows of two windows, which one load has all. */
#define SQUARE_PLACES                                                                                                  \
    "add r8, r4, r6\n"                                                                                                 \
    "mov r10, #0\n"                                                                                                    \
    "lsl r3, r4, #1\n"                                                                                                 \
    "vmov q2[2], q2[0], r10, r6\n"                                                                                     \
    "vmov q2[3], q2[1], r4, r8\n"
#define SQUARE_WEIGHTS                                                                                                 \
    "vldrw.u32 q4, [r12], #16\n"                                                                                       \
    "vldrw.u32 q5, [r12], #16\n"                                                                                       \
    "vldrw.u32 q6, [r12], #16\n"                                                                                       \
    "vldrw.u32 q7, [r12], #16\n"
#define SQUARE_SUMS                                                                                                    \
    "vldrw.u32 q0, [r0], #8\n"                                                                                         \
    "vmladav.s8 r4, q4, q0\n"                                                                                          \
    "vmladav.s8 r6, q5, q0\n"                                                                                          \
    "vmladav.s8 r8, q6, q0\n"                                                                                          \
    "vmladav.s8 r10, q7, q0\n" FOUR_SUMS

STRIPS(ek_strips_3x3_twice, SQUARE_PLACES, SQUARE_WEIGHTS, SQUARE_SUMS, TWICE, "304", "2");
STRIPS(ek_strips_3x3_once, SQUARE_PLACES, SQUARE_WEIGHTS, SQUARE_SUMS, ONCE, "304", "2");

/* 3x3: four windows of a row, two columns apart. */
#define ROW_PLACES                                                                                                     \
    "lsl r6, r4, #1\n"                                                                                                 \
    "add r8, r4, r6\n"                                                                                                 \
    "mov r10, #0\n"                                                                                                    \
    "lsl r3, r4, #2\n"                                                                                                 \
    "vmov q2[2], q2[0], r10, r6\n"                                                                                     \
    "vmov q2[3], q2[1], r4, r8\n"
#define ROW_WEIGHTS "vldrw.u32 q4, [r12], #16\n"
#define ROW_SUMS                                                                                                       \
    "vldrw.u32 q0, [r0], #32\n"                                                                                        \
    "vldrw.u32 q1, [r0, #-24]\n"                                                                                       \
    "vmladav.s8 r4, q4, q0\n"                                                                                          \
    "vldrw.u32 q0, [r0, #-16]\n"                                                                                       \
    "vmladav.s8 r6, q4, q1\n"                                                                                          \
    "vldrw.u32 q1, [r0, #-8]\n"                                                                                        \
    "vmladav.s8 r8, q4, q0\n"                                                                                          \
    "vmladav.s8 r10, q4, q1\n" FOUR_SUMS

STRIPS(ek_strips_3x3_apart_twice, ROW_PLACES, ROW_WEIGHTS, ROW_SUMS, TWICE, "112", "3");
STRIPS(ek_strips_3x3_apart_once, ROW_PLACES, ROW_WEIGHTS, ROW_SUMS, ONCE, "112", "3");

/* 5x5: four rows of one window, each three loads of two columns. */
#define COLUMN_PLACES                                                                                                  \
    "mov r3, r4\n"                                                                                                     \
    "lsl r4, r6, #1\n"                                                                                                 \
    "add r8, r4, r6\n"                                                                                                 \
    "mov r10, #0\n"                                                                                                    \
    "vmov q2[2], q2[0], r10, r4\n"                                                                                     \
    "vmov q2[3], q2[1], r6, r8\n"
#define THREE_WEIGHTS                                                                                                  \
    "vldrw.u32 q4, [r12], #16\n"                                                                                       \
    "vldrw.u32 q5, [r12], #16\n"                                                                                       \
    "vldrw.u32 q6, [r12], #16\n"
#define COLUMN_SUMS                                                                                                    \
    "vldrb.u8 q0, [r0], #8\n"                                                                                          \
    "vldrb.u8 q1, [r0, #-7]\n"                                                                                         \
    "vmladav.s8 r4, q4, q0\n"                                                                                          \
    "vldrb.u8 q0, [r0, #-6]\n"                                                                                         \
    "vmladav.s8 r6, q4, q1\n"                                                                                          \
    "vldrb.u8 q1, [r0, #-5]\n"                                                                                         \
    "vmladav.s8 r8, q4, q0\n"                                                                                          \
    "vldrb.u8 q0, [r0, #8]\n"                                                                                          \
    "vmladav.s8 r10, q4, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #9]\n"                                                                                          \
    "vmladava.s8 r4, q5, q0\n"                                                                                         \
    "vldrb.u8 q0, [r0, #10]\n"                                                                                         \
    "vmladava.s8 r6, q5, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #11]\n"                                                                                         \
    "vmladava.s8 r8, q5, q0\n"                                                                                         \
    "vldrb.u8 q0, [r0, #24]\n"                                                                                         \
    "vmladava.s8 r10, q5, q1\n"                                                                                        \
    "vldrb.u8 q1, [r0, #25]\n"                                                                                         \
    "vmladava.s8 r4, q6, q0\n"                                                                                         \
    "vldrb.u8 q0, [r0, #26]\n"                                                                                         \
    "vmladava.s8 r6, q6, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #27]\n"                                                                                         \
    "vmladava.s8 r8, q6, q0\n"                                                                                         \
    "vmladava.s8 r10, q6, q1\n" FOUR_SUMS

STRIPS(ek_strips_5x5_twice, COLUMN_PLACES, THREE_WEIGHTS, COLUMN_SUMS, TWICE, "240", "3");
STRIPS(ek_strips_5x5_once, COLUMN_PLACES, THREE_WEIGHTS, COLUMN_SUMS, ONCE, "240", "3");

/* 5x5: two rows of two windows, two columns apart; neighbours share two loads of three. */
#define PAIR_SUMS                                                                                                      \
    "vldrb.u8 q0, [r0], #32\n"                                                                                         \
    "vldrb.u8 q1, [r0, #-16]\n"                                                                                        \
    "vmladav.s8 r4, q4, q0\n"                                                                                          \
    "vldrb.u8 q0, [r0, #0]\n"                                                                                          \
    "vmladav.s8 r6, q4, q1\n"                                                                                          \
    "vmladava.s8 r4, q5, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #16]\n"                                                                                         \
    "vmladava.s8 r6, q5, q0\n"                                                                                         \
    "vmladava.s8 r4, q6, q0\n"                                                                                         \
    "vldrb.u8 q0, [r0, #-30]\n"                                                                                        \
    "vmladava.s8 r6, q6, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #-14]\n"                                                                                        \
    "vmladav.s8 r8, q4, q0\n"                                                                                          \
    "vldrb.u8 q0, [r0, #2]\n"                                                                                          \
    "vmladav.s8 r10, q4, q1\n"                                                                                         \
    "vmladava.s8 r8, q5, q1\n"                                                                                         \
    "vldrb.u8 q1, [r0, #18]\n"                                                                                         \
    "vmladava.s8 r10, q5, q0\n"                                                                                        \
    "vmladava.s8 r8, q6, q0\n"                                                                                         \
    "vmladava.s8 r10, q6, q1\n" FOUR_SUMS

STRIPS(ek_strips_5x5_apart_twice, SQUARE_PLACES, THREE_WEIGHTS, PAIR_SUMS, TWICE, "240", "4");
STRIPS(ek_strips_5x5_apart_once, SQUARE_PLACES, THREE_WEIGHTS, PAIR_SUMS, ONCE, "240", "4");

/* Columns of four rows (a column of eight is two), four channels each, to strips; whole fours. */
static void turn(const uint8_t *from, int32_t columns, uint32_t *strip)
{
    uint32_t *second = strip + columns, *third = second + columns, *fourth = third + columns;
    for (int32_t left = columns; left > 0; left -= 4) {
        const uint8x16x4_t channels = vld4q_u8(from);
        vst1q_u8((uint8_t *)strip, channels.val[0]);
        vst1q_u8((uint8_t *)second, channels.val[1]);
        vst1q_u8((uint8_t *)third, channels.val[2]);
        vst1q_u8((uint8_t *)fourth, channels.val[3]);
        from += 64;
        strip += 4;
        second += 4;
        third += 4;
        fourth += 4;
    }
}

static void fill(uint32_t *to, uint32_t zeros, int32_t vectors)
{
    const uint32x4_t value = vdupq_n_u32(zeros);
    for (; vectors > 0; --vectors) {
        vst1q_u32(to, value);
        to += 4;
    }
}

/* Columns of the rows at four offsets, `words` apart; `zeros` where an offset is negative. */
EK_INLINE void gather(const int8_t *x, int32_t step, int32_t columns, const int32_t *offsets, uint32_t zeros,
                      uint32_t *to, int32_t words)
{
    const int32x4_t rows = vld1q_s32(offsets);
    const uint32x4_t value = vdupq_n_u32(zeros), places = vreinterpretq_u32_s32(vmaxq_s32(rows, vdupq_n_s32(0)));
    const mve_pred16_t outside = vcmpltq_n_s32(rows, 0);
    if (outside) {
        for (; columns > 0; --columns) {
            const uint32x4_t codes = vldrwq_gather_offset_u32((const uint32_t *)(const void *)x, places);
            vst1q_u32(to, vpselq_u32(value, codes, outside));
            x += step;
            to += words;
        }
    } else {
        for (; columns > 0; --columns) {
            vst1q_u32(to, vldrwq_gather_offset_u32((const uint32_t *)(const void *)x, places));
            x += step;
            to += words;
        }
    }
}

#else

static void turn(const uint8_t *from, int32_t columns, uint32_t *strip)
{
    uint8_t *bytes = (uint8_t *)strip;
    for (int32_t i = 0; i < 16 * columns; ++i) {
        bytes[(i & 3) * 4 * columns + (i >> 2)] = from[i];
    }
}

static void fill(uint32_t *to, uint32_t zeros, int32_t vectors)
{
    for (int32_t i = 0; i < 4 * vectors; ++i) {
        to[i] = zeros;
    }
}

static void gather(const int8_t *x, int32_t step, int32_t columns, const int32_t *offsets, uint32_t zeros, uint32_t *to,
                   int32_t words)
{
    for (; columns > 0; --columns) {
        for (int32_t row = 0; row < 4; ++row) {
            to[row] = offsets[row] < 0 ? zeros : ek_load32(x + offsets[row]);
        }
        x += step;
        to += words;
    }
}

/* Which kernel a twin stands for: its size and stride, and the shape of its bands and blocks. */
typedef struct {
    int32_t kernel, stride, strip_rows, band_rows, block_columns, weight_words;
} twin;

/* The code of the window that begins at `codes`, by the weights of the first place. */
static int8_t code_of(const twin *t, const int8_t *codes, const int32_t *table, const ek_strip_run *run, int32_t twice)
{
    const int8_t *weights = (const int8_t *)table;
    const int32_t *constants = table + t->weight_words;
    uint32_t acc = (uint32_t)constants[0];
    for (int32_t kx = 0; kx < t->kernel; ++kx) {
        for (int32_t ky = 0; ky < t->kernel; ++ky) {
            acc += (uint32_t)(codes[kx * t->strip_rows + ky] * weights[kx * t->strip_rows + ky]);
        }
    }
    const ek_channel channel = {0, constants[1], twice ? 1 : 0, (uint16_t)-constants[2]};
    const ek_output out = {run->zero_point, run->low, run->high, twice};
    return ek_requantize((int32_t)acc, &channel, out, twice);
}

static void strips_twin(const uint32_t *strips, int8_t *y, const ek_strip_run *run, twin t, int32_t twice)
{
    const int32_t columns = t.block_columns * (run->blocks + (run->back ? 1 : 0)) - run->back;
    for (int32_t c = 0; c < 4; ++c) {
        const int8_t *strip = (const int8_t *)strips + c * run->strip_bytes;
        const int32_t *table = run->table + c * (t.weight_words + 3);
        for (int32_t i = 0; i < t.band_rows * columns; ++i) {
            const int32_t row = i / columns, column = i % columns;
            const int8_t *codes = strip + (column * t.strip_rows + row) * t.stride;
            y[c + row * run->y_row + column * run->y_step] = code_of(&t, codes, table, run, twice);
        }
    }
}

#define TWIN(name, twice, ...)                                                                                         \
    void name(const uint32_t *strips, int8_t *y, const ek_strip_run *run)                                              \
    {                                                                                                                  \
        const twin t = {__VA_ARGS__};                                                                                  \
        strips_twin(strips, y, run, t, twice);                                                                         \
    }

TWIN(ek_strips_3x3_twice, 1, 3, 1, 4, 2, 2, 16)
TWIN(ek_strips_3x3_once, 0, 3, 1, 4, 2, 2, 16)
TWIN(ek_strips_3x3_apart_twice, 1, 3, 2, 4, 1, 4, 4)
TWIN(ek_strips_3x3_apart_once, 0, 3, 2, 4, 1, 4, 4)
TWIN(ek_strips_5x5_twice, 1, 5, 1, 8, 4, 1, 12)
TWIN(ek_strips_5x5_once, 0, 5, 1, 8, 4, 1, 12)
TWIN(ek_strips_5x5_apart_twice, 1, 5, 2, 8, 2, 2, 12)
TWIN(ek_strips_5x5_apart_once, 0, 5, 2, 8, 2, 2, 12)

#endif

/* `rows` is a constant in each instance. */
EK_INLINE void fill_strips(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t rows, int32_t columns,
                           uint32_t *strips)
{
    const ek_window *w = &p->window;
    const uint32_t zeros = (uint32_t)(p->input_zero & 0xFF) * 0x01010101u;
    const int32_t left = w->pad_left < columns ? w->pad_left : columns;
    const int32_t inside = w->in_w < columns - left ? w->in_w : columns - left;
    uint32_t *raw = strips + rows * columns, *first = raw + rows * left;
    int32_t offsets[4];
    fill(raw, zeros, rows / 4 * left);
    for (int32_t part = 0; part < rows; part += 4) {
        for (int32_t i = 0; i < 4; ++i) {
            const int32_t row = top + part + i;
            offsets[i] = row < 0 || row >= w->in_h ? -1 : row * w->in_w * w->in_c;
        }
        gather(x, w->in_c, inside, offsets, zeros, first + part, rows);
    }
    fill(first + rows * inside, zeros, rows / 4 * (columns - left - inside));
    turn((const uint8_t *)raw, rows / 4 * columns, strips);
}

void ek_fill_strips_4(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t columns, uint32_t *strips)
{
    fill_strips(p, x, top, 4, columns, strips);
}

void ek_fill_strips_8(const ek_conv_params *p, const int8_t *x, int32_t top, int32_t columns, uint32_t *strips)
{
    fill_strips(p, x, top, 8, columns, strips);
}
