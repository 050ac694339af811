#include "ek_im2col.h"
#include "ek_assembly.h"

/* Widens rows of codes: whole quads into one pixel of two or of four, the bytes left of each row to `rests`. Returns
 * the place of the quad that follows. */
uint32_t *ek_widen_rows_of_two(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests);
uint32_t *ek_widen_rows_of_four(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests);

/* Widens pairs or fours of pixels, each `rows->quads` whole quads that stand one after the other; at least one. */
void ek_widen_pixel_pairs(const int8_t *x, uint32_t *columns, const ek_window_rows *rows, int32_t pairs);
void ek_widen_pixel_fours(const int8_t *x, uint32_t *columns, const ek_window_rows *rows, int32_t fours);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 codes, of any alignment, r1 column, r2 minus_zero, r3 rests, r4-r7 the rows, r8 what is left of one, r9-r12 and lr
 * codes. `next` is from quad to quad. */
#define WIDEN(codes, next)                                                                                             \
    "sxtab16 lr, r2, " #codes ", ror #8\n"                                                                             \
    "sxtab16 " #codes ", r2, " #codes "\n"                                                                             \
    "strd " #codes ", lr, [r1], #" #next "\n"
#define WIDEN_ROWS(name, next)                                                                                         \
    __asm__(EK_FUNCTION(name) "push {r4-r11, lr}\n"                                                                    \
                              "ldm r2, {r2, r4-r7}\n"                                                                  \
                              "1:\n"                                                                                   \
                              "subs r8, r4, #3\n"                                                                      \
                              "ble 3f\n"                                                                               \
                              "2:\n"                                                                                   \
                              "ldr r10, [r0, #4]\n"                                                                    \
                              "ldr r11, [r0, #8]\n"                                                                    \
                              "ldr r12, [r0, #12]\n"                                                                   \
                              "ldr r9, [r0], #16\n" WIDEN(r9, next) WIDEN(r10, next) WIDEN(r11, next) WIDEN(           \
                                  r12, next) "subs r8, r8, #4\n"                                                       \
                                             "bgt 2b\n"                                                                \
                                             "3:\n"                                                                    \
                                             "adds r8, r8, #3\n"                                                       \
                                             "beq 5f\n"                                                                \
                                             "4:\n"                                                                    \
                                             "ldr r9, [r0], #4\n"                                                      \
                                             "subs r8, r8, #1\n" WIDEN(r9, next) "bne 4b\n"                            \
                                                                                 "5:\n"                                \
                                                                                 "movs r8, r5\n"                       \
                                                                                 "beq 7f\n"                            \
                                                                                 "6:\n"                                \
                                                                                 "ldrb r9, [r0], #1\n"                 \
                                                                                 "subs r8, r8, #1\n"                   \
                                                                                 "strb r9, [r3], #1\n"                 \
                                                                                 "bne 6b\n"                            \
                                                                                 "7:\n"                                \
                                                                                 "add r0, r0, r6\n"                    \
                                                                                 "subs r7, r7, #1\n"                   \
                                                                                 "bne 1b\n"                            \
                                                                                 "mov r0, r1\n"                        \
                                                                                 "pop {r4-r11, pc}\n" EK_END(name))

WIDEN_ROWS(ek_widen_rows_of_two, 16);
WIDEN_ROWS(ek_widen_rows_of_four, 32);

/* r0 and r5 two pixels, r1 columns, r2 minus_zero, r3 pairs or fours, r4 quads, r6 those left, r7-r10 a quad of both,
 * r11 from behind a pair of four to the next pair. */
#define WIDEN_PAIR(label, store)                                                                                       \
    "add r5, r0, r4, lsl #2\n"                                                                                         \
    "mov r6, r4\n" #label ":\n"                                                                                        \
    "ldr r7, [r0], #4\n"                                                                                               \
    "ldr r9, [r5], #4\n"                                                                                               \
    "subs r6, r6, #1\n"                                                                                                \
    "sxtab16 r8, r2, r7, ror #8\n"                                                                                     \
    "sxtab16 r7, r2, r7\n"                                                                                             \
    "sxtab16 r10, r2, r9, ror #8\n"                                                                                    \
    "sxtab16 r9, r2, r9\n" store "bne " #label "b\n"                                                                   \
    "mov r0, r5\n"

__asm__(EK_FUNCTION(ek_widen_pixel_pairs) "push {r4-r10}\n"
                                          "ldrd r2, r4, [r2]\n"
                                          "1:\n" WIDEN_PAIR(2, "stmia r1!, {r7-r10}\n") "subs r3, r3, #1\n"
                                                                                        "bne 1b\n"
                                                                                        "pop {r4-r10}\n"
                                                                                        "bx lr\n" EK_END(
                                                                                            ek_widen_pixel_pairs));

__asm__(EK_FUNCTION(
    ek_widen_pixel_fours) "push {r4-r11}\n"
                          "ldrd r2, r4, [r2]\n"
                          "lsl r11, r4, #5\n"
                          "sub r11, r11, #16\n"
                          "1:\n" WIDEN_PAIR(
                              2,
                              "stm r1, {r7-r10}\n"
                              "add r1, r1, #32\n") "sub r1, r1, r11\n" WIDEN_PAIR(3,
                                                                                  "stm r1, {r7-r10}\n"
                                                                                  "add r1, r1, #32\n") "sub r1, r1, "
                                                                                                       "#16\n"
                                                                                                       "subs r3, r3, "
                                                                                                       "#1\n"
                                                                                                       "bne 1b\n"
                                                                                                       "pop {r4-r11}\n"
                                                                                                       "bx lr\n" EK_END(
                                                                                                           ek_widen_pixel_fours));

#else

static uint32_t *widen_rows(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests,
                            int32_t next)
{
    for (int32_t row = 0; row < rows->rows; ++row) {
        for (int32_t quad = 0; quad < rows->quads; ++quad) {
            const uint32_t word = ek_load32(codes);
            column[0] = ek_sxtab16(rows->minus_zero, word);
            column[1] = ek_sxtab16_odd(rows->minus_zero, word);
            codes += 4;
            column += next;
        }
        for (int32_t i = 0; i < rows->rest; ++i) {
            *rests++ = *codes++;
        }
        codes += rows->skip;
    }
    return column;
}

uint32_t *ek_widen_rows_of_two(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests)
{
    return widen_rows(codes, column, rows, rests, 4);
}

uint32_t *ek_widen_rows_of_four(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests)
{
    return widen_rows(codes, column, rows, rests, EK_FOUR_QUAD);
}

static void widen_pixels(const int8_t *x, uint32_t *columns, const ek_window_rows *rows, int32_t groups, int32_t pixels)
{
    for (; groups > 0; --groups) {
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
            widen_rows(x, columns + 2 * pixel, rows, 0, 2 * pixels);
            x += 4 * rows->quads;
        }
        columns += 2 * pixels * rows->quads;
    }
}

void ek_widen_pixel_pairs(const int8_t *x, uint32_t *columns, const ek_window_rows *rows, int32_t pairs)
{
    widen_pixels(x, columns, rows, pairs, 2);
}

void ek_widen_pixel_fours(const int8_t *x, uint32_t *columns, const ek_window_rows *rows, int32_t fours)
{
    widen_pixels(x, columns, rows, fours, 4);
}

#endif

static uint32_t *widen(const int8_t *codes, uint32_t *column, const ek_window_rows *rows, int8_t *rests, int32_t four)
{
    return four ? ek_widen_rows_of_four(codes, column, rows, rests) : ek_widen_rows_of_two(codes, column, rows, rests);
}

static int8_t *fill_bytes(int8_t *to, int8_t value, int32_t count)
{
    for (; count > 0; --count) {
        *to++ = value;
    }
    return to;
}

static int8_t *copy_bytes(int8_t *to, const int8_t *from, int32_t count)
{
    for (; count >= 4; count -= 4) {
        const uint32_t word = ek_load32(from);
        memcpy(to, &word, sizeof word);
        to += 4;
        from += 4;
    }
    for (; count > 0; --count) {
        *to++ = *from++;
    }
    return to;
}

/* Puts one row of a window together that is not as it stands in the input; padding becomes the zero point. */
static void assemble_row(const ek_im2col *walk, const int8_t *row, int32_t x0, int8_t *to)
{
    const ek_window *w = &walk->p->window;
    for (int32_t kx = 0; kx < w->kernel_w; ++kx, x0 += w->dilation_w) {
        if (row == 0 || x0 < 0 || x0 >= w->in_w) {
            to = fill_bytes(to, (int8_t)walk->p->input_zero, w->in_c);
        } else {
            to = copy_bytes(to, row + x0 * w->in_c, w->in_c);
        }
    }
}

/* Zeros, which is what padding becomes. */
static uint32_t *clear(int32_t quads, uint32_t *column, int32_t four)
{
    for (; quads > 0; --quads) {
        column[0] = 0;
        column[1] = 0;
        column += four ? EK_FOUR_QUAD : 4;
    }
    return column;
}

/* A window that reaches over the border, of pixels of whole words side by side. */
static uint32_t *widen_border(const ek_im2col *walk, int32_t y0, int32_t x0, uint32_t *column, int32_t four)
{
    const ek_window *w = &walk->p->window;
    const int32_t pixel = w->in_c >> 2, over = x0 + w->kernel_w - w->in_w;
    const int32_t left = x0 < 0 ? (-x0 < w->kernel_w ? -x0 : w->kernel_w) : 0;
    const int32_t right = over > 0 ? (over < w->kernel_w - left ? over : w->kernel_w - left) : 0;
    const int32_t inside = w->kernel_w - left - right;
    const ek_window_rows row = {walk->assembled.minus_zero, inside * pixel, 0, 0, 1};
    for (int32_t ky = 0, y = y0; ky < w->kernel_h; ++ky, y += w->dilation_h) {
        if (y < 0 || y >= w->in_h || inside == 0) {
            column = clear(w->kernel_w * pixel, column, four);
        } else {
            column = clear(left * pixel, column, four);
            column = widen(walk->x + (y * w->in_w + x0 + left) * w->in_c, column, &row, 0, four);
            column = clear(right * pixel, column, four);
        }
    }
    return column;
}

/* A window that reaches over the border or whose taps are apart, row by row. Out of line: it would take the registers
 * of the usual way. */
__attribute__((noinline)) static uint32_t *widen_assembled(const ek_im2col *walk, int32_t y0, int32_t x0,
                                                           uint32_t *column, int32_t four)
{
    const ek_window *w = &walk->p->window;
    int8_t *rests = walk->rests;
    for (int32_t ky = 0; ky < w->kernel_h; ++ky) {
        const int32_t y = y0 + ky * w->dilation_h;
        const int8_t *row = y < 0 || y >= w->in_h ? 0 : walk->x + y * w->in_w * w->in_c;
        assemble_row(walk, row, x0, walk->bytes);
        column = widen(walk->bytes, column, &walk->assembled, rests, four);
        rests += walk->assembled.rest;
    }
    return column;
}

/* Out of line: it would take the registers of the usual way. */
__attribute__((noinline)) static uint32_t *widen_outside(const ek_im2col *walk, uint32_t *column, int32_t four)
{
    const ek_window *w = &walk->p->window;
    if ((w->in_c & 3) == 0 && w->dilation_w == 1) {
        return widen_border(walk, walk->y0, walk->x0, column, four);
    }
    return widen_assembled(walk, walk->y0, walk->x0, column, four);
}

/* One window into a column: row by row the whole quads, then what is left of all rows, side by side. */
EK_INLINE void gather_window(ek_im2col *walk, uint32_t *column, int32_t four)
{
    const ek_window *w = &walk->p->window;
    if ((uint32_t)walk->y0 < walk->rows_inside && (uint32_t)walk->x0 < walk->columns_inside) {
        const int8_t *codes = walk->x + (walk->y0 * w->in_w + walk->x0) * w->in_c;
        column = widen(codes, column, &walk->inside, walk->rests, four);
    } else {
        column = widen_outside(walk, column, four);
    }
    if (walk->rest_quads) {
        const ek_window_rows all = {walk->inside.minus_zero, walk->rest_quads, 0, 0, 1};
        widen(walk->rests, column, &all, 0, four);
    }
    walk->x0 += w->stride_w;
    if (walk->x0 == walk->end) {
        walk->x0 = -w->pad_left;
        walk->y0 += w->stride_h;
    }
}

/* Pixels that are their own windows. */
static void gather_pixels(const ek_im2col *walk, const int8_t *x, int32_t pixels, int32_t fours, uint32_t *columns)
{
    const int32_t in_c = walk->p->window.in_c, left = pixels - 4 * fours;
    if (fours > 0) {
        ek_widen_pixel_fours(x, columns, &walk->inside, fours);
        x += 4 * fours * in_c;
        columns += fours * EK_FOUR_QUAD * walk->quads;
    }
    if (left > 1) {
        ek_widen_pixel_pairs(x, columns, &walk->inside, left >> 1);
    }
    if (left & 1) {
        ek_widen_rows_of_two(x + (left - 1) * in_c, columns + (left >> 1) * 4 * walk->quads, &walk->inside, 0);
    }
}

static void gather_windows(ek_im2col *walk, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    if (first == 0) {
        walk->y0 = -walk->p->window.pad_top;
        walk->x0 = -walk->p->window.pad_left;
    }
    for (int32_t i = 0; i < 4 * fours; ++i) {
        gather_window(walk, columns + 2 * (i & 3), 1);
        columns += (i & 3) == 3 ? EK_FOUR_QUAD * walk->quads : 0;
    }
    for (int32_t i = 0; i < pixels - 4 * fours; ++i) {
        gather_window(walk, columns + 2 * (i & 1), 0);
        columns += (i & 1) ? 4 * walk->quads : 0;
    }
}

void ek_im2col_next(ek_im2col *walk, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    if (walk->pointwise) {
        gather_pixels(walk, walk->x + first * walk->p->window.in_c, pixels, fours, columns);
    } else {
        gather_windows(walk, first, pixels, fours, columns);
    }
    if (pixels & 1) {
        ek_clear_column(walk->quads, columns + (pixels >> 1) * 4 * walk->quads + 2);
    }
}

/* Whether every output pixel reads just the input pixel of its own place, whole words of channels. */
static int32_t is_pointwise(const ek_window *w)
{
    return w->kernel_h * w->kernel_w == 1 && w->stride_h * w->stride_w == 1 && (w->in_c & 3) == 0 &&
           w->in_h == w->out_h && w->in_w == w->out_w && (w->pad_top | w->pad_left) == 0;
}

ek_im2col ek_im2col_start(const ek_conv_params *p, const int8_t *x, int8_t *bytes)
{
    const ek_window *w = &p->window;
    const int32_t row = w->kernel_w * w->in_c, quads = (w->kernel_h * row + 3) >> 2;
    const uint32_t minus_zero = ek_pair(-p->input_zero, -p->input_zero);
    ek_im2col walk = {.p = p, .x = x, .quads = quads, .bytes = bytes, .pointwise = is_pointwise(w)};
    walk.assembled = (ek_window_rows){minus_zero, row >> 2, row & 3, 0, 1};
    walk.inside = walk.assembled;
    walk.inside.skip = w->dilation_h * w->in_w * w->in_c - row;
    walk.inside.rows = w->kernel_h;
    walk.rest_quads = quads - (row >> 2) * w->kernel_h;
    const int32_t rows_inside = w->in_h - (w->kernel_h - 1) * w->dilation_h, columns_inside = w->in_w - w->kernel_w + 1;
    walk.rows_inside = rows_inside > 0 ? (uint32_t)rows_inside : 0;
    walk.columns_inside = columns_inside > 0 && w->dilation_w == 1 ? (uint32_t)columns_inside : 0;
    walk.end = w->out_w * w->stride_w - w->pad_left;
    walk.rests = bytes + 4 * ((row + 3) >> 2);
    fill_bytes(walk.rests, (int8_t)p->input_zero, 4 * walk.rest_quads);
    return walk;
}
