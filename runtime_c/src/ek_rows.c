#include "ek_rows.h"
#include "ek_v6m.h"

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && __ARM_ARCH_ISA_THUMB == 2

/* Each step of either function takes one code of every row; the twins follow below.
 *
 * r0-r3 and r12 rows, r4-r7 sums, r8-r11 codes, lr the end of row 0. Loads stand side by side, where Cortex-M3 takes
 * one cycle for each that follows another one. */
#define STEP_TWO                                                                                                       \
    "ldrsb r8, [r0], #1\n"                                                                                             \
    "ldrsb r9, [r1], #1\n"                                                                                             \
    "ldrsb r10, [r2], #1\n"                                                                                            \
    "ldrsb r11, [r3], #1\n"                                                                                            \
    "mla r4, r8, r10, r4\n"                                                                                            \
    "mla r5, r9, r10, r5\n"                                                                                            \
    "mla r6, r8, r11, r6\n"                                                                                            \
    "mla r7, r9, r11, r7\n"
#define STEP_FOUR                                                                                                      \
    "ldrsb r8, [r0], #1\n"                                                                                             \
    "ldrsb r9, [r1], #1\n"                                                                                             \
    "ldrsb r10, [r2], #1\n"                                                                                            \
    "ldrsb r11, [r3], #1\n"                                                                                            \
    "mla r4, r8, r9, r4\n"                                                                                             \
    "ldrsb r9, [r12], #1\n"                                                                                            \
    "mla r5, r8, r10, r5\n"                                                                                            \
    "mla r6, r8, r11, r6\n"                                                                                            \
    "mla r7, r8, r9, r7\n"

/* Four steps a round; the first round is entered where a multiple of four is left. */
#define SUM(name, step)                                                                                                \
    __asm__(EK_FUNCTION(name) "push {r1, r4-r11, lr}\n"                                                                \
                              "ldr lr, [r0], #4\n"                                                                     \
                              "ldr r12, [r0, #16]\n"                                                                   \
                              "ldm r0, {r0-r3}\n"                                                                      \
                              "rsb r8, lr, #0\n"                                                                       \
                              "and r8, r8, #3\n"                                                                       \
                              "add lr, r0, lr\n"                                                                       \
                              "movs r4, #0\n"                                                                          \
                              "movs r5, #0\n"                                                                          \
                              "movs r6, #0\n"                                                                          \
                              "movs r7, #0\n"                                                                          \
                              "tbb [pc, r8]\n"                                                                         \
                              "1:\n"                                                                                   \
                              ".byte (10f - 1b) / 2, (11f - 1b) / 2, (12f - 1b) / 2, (13f - 1b) / 2\n"                 \
                              "10:\n" step "11:\n" step "12:\n" step "13:\n" step "cmp r0, lr\n"                       \
                              "bne 10b\n"                                                                              \
                              "pop {r0}\n"                                                                             \
                              "stm r0, {r4-r7}\n"                                                                      \
                              "pop {r4-r11, pc}\n" EK_END(name))

#elif EK_V6M

/* r0-r3 and r7 the ends of the rows, r4 counts up to them, r5-r7 codes, r8-r11 sums. A product destroys one factor. */
#define STEP_TWO                                                                                                       \
    "ldrsb r5, [r2, r4]\n"                                                                                             \
    "ldrsb r6, [r0, r4]\n"                                                                                             \
    "mov r7, r5\n"                                                                                                     \
    "muls r7, r6\n"                                                                                                    \
    "add r8, r7\n"                                                                                                     \
    "ldrsb r7, [r1, r4]\n"                                                                                             \
    "muls r5, r7\n"                                                                                                    \
    "add r9, r5\n"                                                                                                     \
    "ldrsb r5, [r3, r4]\n"                                                                                             \
    "muls r6, r5\n"                                                                                                    \
    "add r10, r6\n"                                                                                                    \
    "muls r7, r5\n"                                                                                                    \
    "add r11, r7\n"                                                                                                    \
    "adds r4, #1\n"
#define STEP_FOUR                                                                                                      \
    "ldrsb r5, [r0, r4]\n"                                                                                             \
    "ldrsb r6, [r1, r4]\n"                                                                                             \
    "muls r6, r5\n"                                                                                                    \
    "add r8, r6\n"                                                                                                     \
    "ldrsb r6, [r2, r4]\n"                                                                                             \
    "muls r6, r5\n"                                                                                                    \
    "add r9, r6\n"                                                                                                     \
    "ldrsb r6, [r3, r4]\n"                                                                                             \
    "muls r6, r5\n"                                                                                                    \
    "add r10, r6\n"                                                                                                    \
    "ldrsb r6, [r7, r4]\n"                                                                                             \
    "muls r6, r5\n"                                                                                                    \
    "add r11, r6\n"                                                                                                    \
    "adds r4, #1\n"

/* From the rows' starts in r0-r3 (and r7), their length in r4. Four steps a round, of 28 bytes each; the first round is
 * entered where a multiple of four is left. */
#define STEPS(step)                                                                                                    \
    "adds r0, r0, r4\n"                                                                                                \
    "adds r1, r1, r4\n"                                                                                                \
    "adds r2, r2, r4\n"                                                                                                \
    "adds r3, r3, r4\n"                                                                                                \
    "rsbs r4, r4, #0\n"                                                                                                \
    "movs r5, #3\n"                                                                                                    \
    "ands r5, r4\n"                                                                                                    \
    "movs r6, #28\n"                                                                                                   \
    "muls r5, r6\n"                                                                                                    \
    "add pc, r5\n"                                                                                                     \
    "nop\n"                                                                                                            \
    "1:\n" step step step step "bne 1b\n"
#define SUM(name, step)                                                                                                \
    __asm__(EK_FUNCTION(name) EK_V6M_SAVE                                                                              \
            "mov r12, r1\n"                                                                                            \
            "ldmia r0!, {r4}\n"                                                                                        \
            "ldr r7, [r0, #16]\n"                                                                                      \
            "ldmia r0, {r0-r3}\n"                                                                                      \
            "adds r7, r7, r4\n"                                                                                        \
            "movs r6, #0\n"                                                                                            \
            "mov r8, r6\n"                                                                                             \
            "mov r9, r6\n"                                                                                             \
            "mov r10, r6\n"                                                                                            \
            "mov r11, r6\n" STEPS(step) "mov r0, r12\n"                                                                \
                                        "mov r4, r8\n"                                                                 \
                                        "mov r5, r9\n"                                                                 \
                                        "mov r6, r10\n"                                                                \
                                        "mov r7, r11\n"                                                                \
                                        "stmia r0!, {r4-r7}\n" EK_V6M_RESTORE EK_END(name))

#endif

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

SUM(ek_sum_two_by_two, STEP_TWO);
SUM(ek_sum_one_by_four, STEP_FOUR);

#else

void ek_sum_two_by_two(const ek_row_block *block, uint32_t *sums)
{
    const int8_t *const *rows = block->rows;
    uint32_t first = 0, second = 0, third = 0, fourth = 0;
    for (int32_t i = 0; i < block->count; ++i) {
        const int32_t x0 = rows[0][i], x1 = rows[1][i], w0 = rows[2][i], w1 = rows[3][i];
        first += (uint32_t)(x0 * w0);
        second += (uint32_t)(x1 * w0);
        third += (uint32_t)(x0 * w1);
        fourth += (uint32_t)(x1 * w1);
    }
    sums[0] = first;
    sums[1] = second;
    sums[2] = third;
    sums[3] = fourth;
}

void ek_sum_one_by_four(const ek_row_block *block, uint32_t *sums)
{
    const int8_t *const *rows = block->rows;
    uint32_t first = 0, second = 0, third = 0, fourth = 0;
    for (int32_t i = 0; i < block->count; ++i) {
        const int32_t x = rows[0][i];
        first += (uint32_t)(x * rows[1][i]);
        second += (uint32_t)(x * rows[2][i]);
        third += (uint32_t)(x * rows[3][i]);
        fourth += (uint32_t)(x * rows[4][i]);
    }
    sums[0] = first;
    sums[1] = second;
    sums[2] = third;
    sums[3] = fourth;
}

#endif

#if EK_V6M

/* Pairs of channels of two rows of x, whose sums start with `starts` and the bias. The assembly knows the order. */
typedef struct {
    ek_pairs pairs;
    uint32_t starts[2];
    int32_t count;
    const int8_t *w, *x0, *x1;
} row_pairs;

void ek_row_pairs_once(row_pairs *run);
void ek_row_pairs_twice(row_pairs *run);

#define SUMS                                                                                                           \
    "ldr r0, [r7, #20]\n"                                                                                              \
    "ldr r1, [r7, #24]\n"                                                                                              \
    "add r8, r0\n"                                                                                                     \
    "add r9, r1\n"                                                                                                     \
    "add r10, r0\n"                                                                                                    \
    "add r11, r1\n"                                                                                                    \
    "ldr r4, [r7, #28]\n"                                                                                              \
    "ldr r2, [r7, #32]\n"                                                                                              \
    "ldr r0, [r7, #36]\n"                                                                                              \
    "ldr r1, [r7, #40]\n"                                                                                              \
    "adds r3, r2, r4\n"                                                                                                \
    "adds r5, r3, r4\n"                                                                                                \
    "str r5, [r7, #32]\n" STEPS(STEP_TWO)
EK_V6M_PAIRS(ek_row_pairs_once, SUMS, EK_V6M_ONCE);
EK_V6M_PAIRS(ek_row_pairs_twice, SUMS, EK_V6M_TWICE);

#endif

int32_t ek_sum_codes(const int8_t *codes, int32_t count, int32_t step)
{
    int32_t sum = 0;
    for (; count > 0; --count) {
        sum += *codes;
        codes += step;
    }
    return sum;
}

/* What the sums of a row of x start with. */
static uint32_t start_of(const ek_row_layer *layer, const int8_t *x)
{
    return layer->weight_zero ? (uint32_t)(-layer->weight_zero * ek_sum_codes(x, layer->inputs, 1)) : 0;
}

EK_INLINE void multiply_row(const ek_row_layer *layer, const int8_t *x, int8_t *y, int32_t rounding)
{
    const ek_output out = layer->out;
    const uint32_t start = start_of(layer, x);
    const ek_channel *channel = layer->channels;
    const int8_t *w = layer->w;
    ek_row_block block = {layer->inputs, {x, 0, 0, 0, 0}};
    for (int32_t left = layer->outputs; left > 0; left -= 4) {
        const int32_t count = left < 4 ? left : 4;
        uint32_t sums[4];
        for (int32_t i = 0; i < 4; ++i) {
            block.rows[1 + i] = w;
            w += i + 1 < left ? layer->inputs : 0; /* the last one again for those there are not */
        }
        ek_sum_one_by_four(&block, sums);
        for (int32_t i = 0; i < count; ++i) {
            *y++ = ek_code_of_sum(start + sums[i], channel++, out, rounding);
        }
    }
}

EK_INLINE void multiply_two_rows(const ek_row_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y,
                                 int32_t y_step, int32_t rounding)
{
    const ek_output out = layer->out;
    const uint32_t first = start_of(layer, x0), second = start_of(layer, x1);
    const ek_channel *channel = layer->channels;
    const int32_t inputs = layer->inputs;
    ek_row_block block = {inputs, {x0, x1, layer->w, 0, 0}};
    int32_t left = layer->outputs;
#if EK_V6M
    if (rounding != EK_ANY && left > 1) {
        const int32_t pairs = left >> 1;
        row_pairs run = {
            {channel, y, y_step, pairs, 2 * out.zero_point + 1}, {first, second}, inputs, layer->w, x0, x1};
        if (rounding == EK_TWICE_EACH) {
            ek_row_pairs_twice(&run);
        } else {
            ek_row_pairs_once(&run);
        }
        block.rows[2] = run.w;
        channel += 2 * pairs;
        y += 2 * pairs;
        left &= 1;
    }
#endif
    for (; left > 0; left -= 2) {
        uint32_t sums[4];
        block.rows[3] = block.rows[2] + (left > 1 ? inputs : 0);
        ek_sum_two_by_two(&block, sums);
        block.rows[2] += 2 * inputs;
        for (const uint32_t *sum = sums, *const end = left > 1 ? sums + 4 : sums + 2; sum != end; sum += 2) {
            y[y_step] = ek_code_of_sum(second + sum[1], channel, out, rounding);
            *y++ = ek_code_of_sum(first + sum[0], channel++, out, rounding);
        }
    }
}

#define ROWS(name, rounding)                                                                                           \
    void ek_multiply_row_##name(const ek_row_layer *layer, const int8_t *x, int8_t *y)                                 \
    {                                                                                                                  \
        multiply_row(layer, x, y, rounding);                                                                           \
    }                                                                                                                  \
    void ek_multiply_two_rows_##name(const ek_row_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y,         \
                                     int32_t y_step)                                                                   \
    {                                                                                                                  \
        multiply_two_rows(layer, x0, x1, y, y_step, rounding);                                                         \
    }

ROWS(any, EK_ANY)
ROWS(once, EK_ONCE_EACH)
ROWS(twice, EK_TWICE_EACH)
