#include "ek_planes.h"
#include "ek_assembly.h"

/* Lines of pairs of pixels: bytes from pixel to pixel, pairs of a line, minus the zero point in both lanes, bytes from
 * plane to plane and from pair to pair; lines, and bytes from the end of one to the next, of the input and of the
 * planes. The order is known to the assembly. */
typedef struct {
    int32_t step, pairs;
    uint32_t minus_zero;
    int32_t plane_bytes, pair_bytes, rows, x_skip, to_skip;
} turn;

/* Pairs of pixels of four channels, minus their zero point, to a word in each of four planes; at least one pair and one
 * line. */
void ek_turn_pairs(const int8_t *x, uint32_t *to, const turn *t);

/* Two pixels of four channels, minus their zero point, to planes `plane` words apart. */
EK_INLINE void turn_pair(uint32_t left, uint32_t right, uint32_t minus_zero, int32_t plane, uint32_t *to)
{
    const uint32_t first = ek_pack_low(left, right), last = ek_pack_high(left, right);
    to[0] = ek_sxtab16(minus_zero, first);
    to[plane] = ek_sxtab16_odd(minus_zero, first);
    to[2 * plane] = ek_sxtab16(minus_zero, last);
    to[3 * plane] = ek_sxtab16_odd(minus_zero, last);
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 x, r1 to, r2-r5 and r7 the run, r6 three planes, r8 and r9 the pixels, r10 and r11 both pixels' codes of two
 * channels, r12 the run's place, lr rows left. Codes are paired before they are widened, so that the lanes come in
 * their order. */
__asm__(EK_FUNCTION(ek_turn_pairs) "push {r4-r11, lr}\n"
                                   "mov r12, r2\n"
                                   "ldm r2, {r2-r6, lr}\n"
                                   "mov r7, r6\n"
                                   "add r6, r5, r5, lsl #1\n"
                                   "1:\n"
                                   "ldr r9, [r0, r2]\n"
                                   "ldr r8, [r0]\n"
                                   "add r0, r0, r2, lsl #1\n"
                                   "pkhbt r10, r8, r9, lsl #16\n"
                                   "pkhtb r11, r9, r8, asr #16\n"
                                   "subs r3, r3, #1\n"
                                   "sxtab16 r8, r4, r10\n"
                                   "str r8, [r1]\n"
                                   "sxtab16 r9, r4, r10, ror #8\n"
                                   "str r9, [r1, r5]\n"
                                   "sxtab16 r10, r4, r11\n"
                                   "str r10, [r1, r5, lsl #1]\n"
                                   "sxtab16 r11, r4, r11, ror #8\n"
                                   "str r11, [r1, r6]\n"
                                   "add r1, r1, r7\n"
                                   "bne 1b\n"
                                   "ldrd r8, r9, [r12, #24]\n"
                                   "ldr r3, [r12, #4]\n"
                                   "subs lr, lr, #1\n"
                                   "add r0, r0, r8\n"
                                   "add r1, r1, r9\n"
                                   "bne 1b\n"
                                   "pop {r4-r11, pc}\n" EK_END(ek_turn_pairs));

#else

void ek_turn_pairs(const int8_t *x, uint32_t *to, const turn *t)
{
    for (int32_t row = 0; row < t->rows; ++row) {
        for (int32_t i = 0; i < t->pairs; ++i) {
            turn_pair(ek_load32(x), ek_load32(x + t->step), t->minus_zero, t->plane_bytes >> 2, to);
            x += 2 * t->step;
            to += t->pair_bytes >> 2;
        }
        x += t->x_skip;
        to += t->to_skip >> 2;
    }
}

#endif

/* Zeros, which is what padding becomes, in four planes. */
static void clear(uint32_t *to, int32_t count, int32_t step, int32_t plane)
{
    for (; count > 0; --count) {
        to[0] = 0;
        to[plane] = 0;
        to[2 * plane] = 0;
        to[3 * plane] = 0;
        to += step;
    }
}

/* Pairs of places of which one or both lie outside the input. x: the first line. */
static void turn_border(const ek_plane_source *s, const int8_t *x, int32_t place, int32_t pairs, const turn *t,
                        uint32_t *to)
{
    const uint32_t zero = (uint32_t)(s->input_zero & 0xFF) * 0x01010101u, width = (uint32_t)s->along.in;
    const int32_t plane = t->plane_bytes >> 2;
    for (; pairs > 0; --pairs, place += 2, to += s->rows) {
        const int32_t has_left = (uint32_t)place < width, has_right = (uint32_t)(place + 1) < width;
        int32_t at = place * t->step;
        if (!has_left && !has_right) {
            clear(to, t->rows, 1, plane);
            continue;
        }
        for (int32_t row = 0; row < t->rows; ++row) {
            turn_pair(has_left ? ek_load32(x + at) : zero, has_right ? ek_load32(x + at + t->step) : zero,
                      t->minus_zero, plane, to + row);
            at += s->across.x_step;
        }
    }
}

static int32_t between(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : (value > high ? high : value);
}

ek_plane_source ek_start_planes(const ek_conv_params *p, int32_t turned, int32_t band, int32_t kernel)
{
    const ek_window *w = &p->window;
    const ek_plane_axis row = {w->in_w, w->out_w, w->pad_left, w->stride_w, w->in_c, w->out_c, w->in_c};
    const ek_plane_axis column = {
        w->in_h, w->out_h, w->pad_top, w->stride_h, w->in_w * w->in_c, w->out_w * w->out_c, kernel * w->in_c};
    ek_plane_source source = {row, column, NULL, p->input_zero, 0, 0};
    if (turned) {
        source.along = column;
        source.across = row;
    }
    const ek_plane_axis *along = &source.along;
    source.rows = (band - 1) * source.across.stride + kernel;
    source.columns = (along->stride == 1 ? (along->out + 1) >> 1 : along->out) + (kernel >> 1);
    return source;
}

void ek_fill_planes(const ek_plane_source *source, int32_t top, uint32_t *planes)
{
    const ek_plane_axis *along = &source->along, *across = &source->across;
    const int32_t plane = source->rows * source->columns;
    const int32_t first = between(-top, 0, source->rows), end = between(across->in - top, first, source->rows);
    const int32_t left = between((along->pad + 1) >> 1, 0, source->columns), place = 2 * left - along->pad;
    const int32_t whole = between((along->in - place) >> 1, 0, source->columns - left);
    for (int32_t row = 0; row < source->rows; ++row) {
        if (row < first || row >= end) {
            clear(planes + row, source->columns, source->rows, plane);
        }
    }
    if (first == end) {
        return;
    }
    const turn t = {.step = along->x_step,
                    .pairs = whole,
                    .minus_zero = ek_pair(-source->input_zero, -source->input_zero),
                    .plane_bytes = 4 * plane,
                    .pair_bytes = 4 * source->rows,
                    .rows = end - first,
                    .x_skip = across->x_step - 2 * whole * along->x_step,
                    .to_skip = 4 - 4 * source->rows * whole};
    const int8_t *x = source->x + (top + first) * across->x_step;
    uint32_t *to = planes + first;
    turn_border(source, x, -along->pad, left, &t, to);
    to += left * source->rows;
    if (whole > 0) {
        ek_turn_pairs(x + place * along->x_step, to, &t);
    }
    turn_border(source, x, place + 2 * whole, source->columns - left - whole, &t, to + whole * source->rows);
}

ek_plane_run ek_start_run(const ek_plane_source *source, int32_t rows)
{
    const ek_plane_axis *along = &source->along;
    ek_plane_run run = {.column_bytes = 4 * source->rows, .y_step = along->y_step, .rows = rows};
    run.y_row = source->across.y_step;
    run.row_bytes = 4 * source->across.stride;
    run.pair_bytes = (along->out >> 1) * along->stride * run.column_bytes;
    run.single = along->out & 1;
    return run;
}

void ek_run_channel(ek_plane_run *run, const ek_channel *channel, int32_t zero_point)
{
    run->bias = channel->bias;
    run->multiplier = channel->multiplier;
    run->shift = channel->right - 1;
    run->offset = ek_shift_left(2 * zero_point + 1, (uint32_t)run->shift);
}

void ek_pair_taps(const ek_plane_source *source, const int8_t *w, int32_t zero, int32_t kernel, uint32_t *words)
{
    static const uint8_t firsts[2][4] = {{0, 1}, {0, 2, 1, 3}};
    const uint8_t *first = firsts[kernel >> 2];
    const int32_t along = source->along.tap_step, across = source->across.tap_step;
    for (int32_t pair = 0; pair < kernel - 1; ++pair) {
        const int8_t *taps = w + first[pair] * along;
        for (int32_t row = 0; row < kernel; ++row) {
            *words++ = ek_pair(taps[0] - zero, taps[along] - zero);
            taps += across;
        }
    }
}

static int32_t half(uint32_t word, int32_t high)
{
    return (int16_t)(high ? word >> 16 : word & 0xFFFFu);
}

/* A tap of a row, from the words of ek_pair_taps. */
static int32_t tap_of(const uint32_t *words, int32_t kernel, int32_t row, int32_t tap)
{
    const int32_t last = tap == kernel - 1;
    const int32_t pair = last ? kernel - 2 : tap >> 1;
    return half(words[pair * kernel + row], last ? 1 : tap & 1);
}

void ek_rows_twin(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t kernel, int32_t stride,
                  int32_t twice)
{
    const int32_t plane_rows = run->column_bytes >> 2;
    const int32_t pixels = 2 * (run->pair_bytes / (run->column_bytes * stride)) + run->single;
    const uint32_t constants[3] = {(uint32_t)run->multiplier, (uint32_t)run->shift, (uint32_t)run->offset};
    for (int32_t row = 0; row < run->rows; ++row) {
        for (int32_t pixel = 0; pixel < pixels; ++pixel) {
            int32_t acc = run->bias;
            for (int32_t i = 0; i < kernel * kernel; ++i) {
                const int32_t column = pixel * stride + i % kernel;
                const uint32_t *words = plane + (column >> 1) * plane_rows + row * (run->row_bytes >> 2);
                acc += half(words[i / kernel], column & 1) * tap_of(run->weights, kernel, i / kernel, i % kernel);
            }
            y[row * run->y_row + pixel * run->y_step] = ek_code_of(acc, constants, twice);
        }
    }
}
