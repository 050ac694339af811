#include "ek_bytes.h"
#include "ek_kernels.h"
#include "ek_v6m.h"

/* Two pixels of two channels. taps: of each tap both pixels' codes of all channels, behind the last one a null pointer;
 * w: the first tap's weights of all channels, `step` apart from tap to tap. The order is known to the assembly. */
typedef struct {
    const int8_t *const *taps;
    const int8_t *w;
    int32_t step;
    int32_t channels[2];
} tap_block;

/* Sums of products: both pixels of the first channel, then those of the second one. */
void ek_sum_taps(const tap_block *block, uint32_t *sums);

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && __ARM_ARCH_ISA_THUMB == 2

/* r0 taps, r1 and r2 pixels, r3 weights, r4-r7 sums, r8-r10 codes, r11 step, r12 and lr channels. */
__asm__(EK_FUNCTION(ek_sum_taps) "push {r1, r4-r11, lr}\n"
                                 "ldr r3, [r0, #4]\n"
                                 "ldr r11, [r0, #8]\n"
                                 "ldrd r12, lr, [r0, #12]\n"
                                 "ldr r0, [r0]\n"
                                 "movs r4, #0\n"
                                 "movs r5, #0\n"
                                 "movs r6, #0\n"
                                 "movs r7, #0\n"
                                 "ldrd r1, r2, [r0], #8\n"
                                 "1:\n"
                                 "ldrsb r8, [r3, r12]\n"
                                 "ldrsb r9, [r1, r12]\n"
                                 "ldrsb r10, [r2, r12]\n"
                                 "ldrsb r1, [r1, lr]\n"
                                 "mla r4, r9, r8, r4\n"
                                 "mla r5, r10, r8, r5\n"
                                 "ldrsb r8, [r3, lr]\n"
                                 "ldrsb r2, [r2, lr]\n"
                                 "add r3, r3, r11\n"
                                 "mla r6, r1, r8, r6\n"
                                 "mla r7, r2, r8, r7\n"
                                 "ldrd r1, r2, [r0], #8\n"
                                 "cmp r1, #0\n"
                                 "bne 1b\n"
                                 "pop {r0}\n"
                                 "stm r0, {r4-r7}\n"
                                 "pop {r4-r11, pc}\n" EK_END(ek_sum_taps));

#elif EK_V6M

/* r0 taps, r1 and r2 pixels, r3 weights, r4 and r5 channels, r6 and r7 codes, r8-r11 sums, r12 step. */
#define TAPS                                                                                                           \
    "ldmia r0!, {r1, r2}\n"                                                                                            \
    "1:\n"                                                                                                             \
    "ldrsb r6, [r3, r4]\n"                                                                                             \
    "ldrsb r7, [r1, r4]\n"                                                                                             \
    "muls r7, r6\n"                                                                                                    \
    "add r8, r7\n"                                                                                                     \
    "ldrsb r7, [r2, r4]\n"                                                                                             \
    "muls r7, r6\n"                                                                                                    \
    "add r9, r7\n"                                                                                                     \
    "ldrsb r6, [r3, r5]\n"                                                                                             \
    "add r3, r12\n"                                                                                                    \
    "ldrsb r7, [r1, r5]\n"                                                                                             \
    "muls r7, r6\n"                                                                                                    \
    "add r10, r7\n"                                                                                                    \
    "ldrsb r7, [r2, r5]\n"                                                                                             \
    "muls r7, r6\n"                                                                                                    \
    "add r11, r7\n"                                                                                                    \
    "ldmia r0!, {r1, r2}\n"                                                                                            \
    "cmp r1, #0\n"                                                                                                     \
    "bne 1b\n"

__asm__(EK_FUNCTION(ek_sum_taps) EK_V6M_SAVE "mov lr, r1\n"
                                             "ldmia r0!, {r1, r3, r6}\n"
                                             "ldmia r0!, {r4, r5}\n"
                                             "mov r12, r6\n"
                                             "movs r6, #0\n"
                                             "mov r8, r6\n"
                                             "mov r9, r6\n"
                                             "mov r10, r6\n"
                                             "mov r11, r6\n"
                                             "mov r0, r1\n" TAPS "mov r0, lr\n"
                                             "mov r4, r8\n"
                                             "mov r5, r9\n"
                                             "mov r6, r10\n"
                                             "mov r7, r11\n"
                                             "stmia r0!, {r4-r7}\n" EK_V6M_RESTORE EK_END(ek_sum_taps));

/* Pairs of channels of two pixels; the order is known to the assembly. */
typedef struct {
    ek_pairs pairs;
    int32_t channel;
    tap_block block;
} tap_pairs;

void ek_tap_pairs_once(tap_pairs *run);
void ek_tap_pairs_twice(tap_pairs *run);

#define SUMS                                                                                                           \
    "ldr r4, [r7, #20]\n"                                                                                              \
    "ldr r0, [r7, #24]\n"                                                                                              \
    "ldr r3, [r7, #28]\n"                                                                                              \
    "ldr r1, [r7, #32]\n"                                                                                              \
    "adds r5, r4, #1\n"                                                                                                \
    "adds r6, r4, #2\n"                                                                                                \
    "str r6, [r7, #20]\n"                                                                                              \
    "mov r12, r1\n" TAPS
EK_V6M_PAIRS(ek_tap_pairs_once, SUMS, EK_V6M_ONCE);
EK_V6M_PAIRS(ek_tap_pairs_twice, SUMS, EK_V6M_TWICE);

#else

void ek_sum_taps(const tap_block *block, uint32_t *sums)
{
    for (int32_t i = 0; i < 4; ++i) {
        const int32_t channel = block->channels[i >> 1];
        const int8_t *w = block->w + channel;
        uint32_t sum = 0;
        for (const int8_t *const *tap = block->taps + (i & 1); *tap; tap += 2) {
            sum += (uint32_t)((*tap)[channel] * *w);
            w += block->step;
        }
        sums[i] = sum;
    }
}

#endif

/* A walk over the output's pixels; taps outside the input are `padding`. */
typedef struct {
    const ek_window *g;
    const int8_t *x, *padding;
    int32_t row, column; /* of the next pixel */
} windows;

/* The taps of the next pixel, in every second place from `taps`. */
static void next_taps(windows *walk, const int8_t **taps)
{
    const ek_window *g = walk->g;
    const int32_t row = walk->row * g->stride_h - g->pad_top, column = walk->column * g->stride_w - g->pad_left;
    const int32_t bottom = row + g->kernel_h * g->dilation_h, right = column + g->kernel_w * g->dilation_w;
    const int32_t step = g->dilation_w * g->in_c;
    for (int32_t y0 = row; y0 < bottom; y0 += g->dilation_h) {
        /* Columns below 0 are above any width. */
        const uint32_t width = y0 >= 0 && y0 < g->in_h ? (uint32_t)g->in_w : 0;
        const int8_t *codes = walk->x + (y0 * g->in_w + column) * g->in_c;
        for (int32_t x0 = column; x0 < right; x0 += g->dilation_w) {
            *taps = (uint32_t)x0 < width ? codes : walk->padding;
            codes += step;
            taps += 2;
        }
    }
    *taps = 0;
    if (++walk->column == g->out_w) {
        walk->column = 0;
        ++walk->row;
    }
}

/* All channels of two pixels, `y_step` codes apart. */
EK_INLINE void multiply_taps(const ek_conv_params *p, tap_block *block, const ek_channel *channels, int8_t *y,
                             int32_t y_step, int32_t rounding)
{
    const ek_output out = p->out;
    const int32_t count = p->window.in_c;
    int32_t first = 0;
#if EK_V6M
    if (rounding != EK_ANY && count > 1) {
        tap_pairs run = {{channels, y, y_step, count >> 1, 2 * out.zero_point + 1}, 0, *block};
        if (rounding == EK_TWICE_EACH) {
            ek_tap_pairs_twice(&run);
        } else {
            ek_tap_pairs_once(&run);
        }
        first = count & ~1;
        channels += first;
        y += first;
    }
#endif
    for (; first < count; first += 2) {
        const int32_t last = first + 1 < count ? first + 1 : first;
        uint32_t sums[4];
        block->channels[0] = first;
        block->channels[1] = last;
        ek_sum_taps(block, sums);
        for (const uint32_t *sum = sums, *const end = last > first ? sums + 4 : sums + 2; sum != end; sum += 2) {
            y[y_step] = ek_code_of_sum(sum[1], channels, out, rounding);
            *y++ = ek_code_of_sum(sum[0], channels++, out, rounding);
        }
    }
}

EK_INLINE void convolve(const ek_conv_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels,
                        int8_t *y, void *scratch, int32_t rounding)
{
    const ek_window *g = &p->window;
    const int8_t **taps = (const int8_t **)scratch;
    int8_t *const padding = (int8_t *)(taps + 2 * (g->kernel_h * g->kernel_w + 1));
    tap_block block = {taps, w, g->in_c, {0, 0}};
    windows walk = {g, x, padding, 0, 0};
    ek_fill_codes(padding, (int8_t)p->input_zero, g->in_c);
    for (int32_t left = g->out_h * g->out_w; left > 0; left -= 2) {
        windows second = walk; /* the same pixel again where no other one is left */
        next_taps(&walk, taps);
        next_taps(left > 1 ? &walk : &second, taps + 1);
        multiply_taps(p, &block, channels, y, left > 1 ? g->in_c : 0, rounding);
        y += 2 * g->in_c;
    }
}

#define DEPTHWISE(name, rounding)                                                                                      \
    void ek_depthwise_taps_s8_##name(const ek_conv_params *p, const int8_t *x, const int8_t *w,                        \
                                     const ek_channel *channels, int8_t *y, void *scratch)                             \
    {                                                                                                                  \
        convolve(p, x, w, channels, y, scratch, rounding);                                                             \
    }

DEPTHWISE(any, EK_ANY)
DEPTHWISE(once, EK_ONCE_EACH)
DEPTHWISE(twice, EK_TWICE_EACH)
