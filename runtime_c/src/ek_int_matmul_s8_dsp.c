#include "ek_assembly.h"
#include "ek_integer.h"
#include "ek_level_columns.h"
#include "ek_products.h"

/* The rows of a matrix as columns of lanes, or its columns as channels: vectors of `depth` codes, `step` apart, from
 * one vector to the next `vector`. */
typedef struct {
    const int8_t *codes;
    int32_t depth, step, vector, count;
    int32_t zero;
    const uint32_t *constants; /* of a channel */
} vectors;

/* One vector of neighbouring codes. */
static void widen_along(const int8_t *codes, int32_t depth, int32_t zero, uint32_t *to)
{
    const uint32_t minus_zero = ek_pair(-zero, -zero);
    to = ek_widen_column(codes, depth >> 2, minus_zero, to);
    if (depth & 3) {
        int32_t last[4] = {0, 0, 0, 0};
        codes += depth & ~3;
        for (int32_t i = 0; i < (depth & 3); ++i) {
            last[i] = codes[i] - zero;
        }
        to[0] = ek_pair(last[0], last[2]);
        to[1] = ek_pair(last[1], last[3]);
    }
}

/* One vector of codes that are apart. */
static void widen_across(const int8_t *codes, int32_t depth, int32_t step, int32_t zero, uint32_t *to)
{
    for (; depth >= 4; depth -= 4) {
        const int8_t *second = codes + 2 * step;
        to[0] = ek_pair(codes[0] - zero, second[0] - zero);
        to[1] = ek_pair(codes[step] - zero, second[step] - zero);
        codes = second + 2 * step;
        to += 4;
    }
    if (depth > 0) {
        to[0] = ek_pair(codes[0] - zero, depth > 2 ? codes[2 * step] - zero : 0);
        to[1] = ek_pair(depth > 1 ? codes[step] - zero : 0, 0);
    }
}

/* Where four vectors that stand side by side come from and go to: bytes from code to code, minus the zero point in both
 * lanes, quads. The order is known to the assembly. */
typedef struct {
    int32_t step;
    uint32_t minus_zero;
    int32_t quads;
} turn;

/* Four codes of each of four vectors at a time, to the pairs of words at `first` and at `second`. */
void ek_turn_quads(const int8_t *codes, const turn *t, uint32_t *first, uint32_t *second);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* Rows 0 and 2 of four, or 1 and 3, to the words at `offset` of each vector's quad: codes are paired before they are
 * widened. r0 codes, r1 step, r2 and r3 destinations, r4 minus_zero, r5 quads left, r6 and r7 rows, r8 and r9 codes of
 * both rows for two vectors. */
#define TURN(offset, offset_of_second)                                                                                 \
    "ldr r7, [r0, r1, lsl #1]\n"                                                                                       \
    "ldr r6, [r0]\n"                                                                                                   \
    "add r0, r0, r1\n"                                                                                                 \
    "pkhbt r8, r6, r7, lsl #16\n"                                                                                      \
    "pkhtb r9, r7, r6, asr #16\n"                                                                                      \
    "sxtab16 r6, r4, r8\n"                                                                                             \
    "str r6, [r2, #" #offset "]\n"                                                                                     \
    "sxtab16 r7, r4, r8, ror #8\n"                                                                                     \
    "str r7, [r2, #" #offset_of_second "]\n"                                                                           \
    "sxtab16 r8, r4, r9\n"                                                                                             \
    "str r8, [r3, #" #offset "]\n"                                                                                     \
    "sxtab16 r9, r4, r9, ror #8\n"                                                                                     \
    "str r9, [r3, #" #offset_of_second "]\n"

__asm__(EK_FUNCTION(ek_turn_quads) "push {r4-r9}\n"
                                   "ldrd r4, r5, [r1, #4]\n"
                                   "ldr r1, [r1]\n"
                                   "1:\n" TURN(0, 8) TURN(4, 12) "add r0, r0, r1, lsl #1\n"
                                                                 "adds r2, r2, #16\n"
                                                                 "adds r3, r3, #16\n"
                                                                 "subs r5, r5, #1\n"
                                                                 "bne 1b\n"
                                                                 "pop {r4-r9}\n"
                                                                 "bx lr\n" EK_END(ek_turn_quads));

#else

void ek_turn_quads(const int8_t *codes, const turn *t, uint32_t *first, uint32_t *second)
{
    for (int32_t n = t->quads; n > 0; --n) {
        for (int32_t i = 0; i < 2; ++i) {
            const uint32_t low = ek_load32(codes + i * t->step), high = ek_load32(codes + (i + 2) * t->step);
            const uint32_t left = ek_pack_low(low, high), right = ek_pack_high(low, high);
            first[i] = ek_sxtab16(t->minus_zero, left);
            first[i + 2] = ek_sxtab16_odd(t->minus_zero, left);
            second[i] = ek_sxtab16(t->minus_zero, right);
            second[i + 2] = ek_sxtab16_odd(t->minus_zero, right);
        }
        codes += 4 * t->step;
        first += 4;
        second += 4;
    }
}

#endif

/* Four vectors that stand side by side, to the pairs of words at `first` and at `second`. */
static void widen_four(const vectors *s, const int8_t *codes, uint32_t *first, uint32_t *second)
{
    const int32_t quads = s->depth >> 2, rest = s->depth & 3;
    const turn t = {s->step, ek_pair(-s->zero, -s->zero), quads};
    if (quads > 0) {
        ek_turn_quads(codes, &t, first, second);
    }
    codes += 4 * quads * s->step;
    for (int32_t i = 0; rest > 0 && i < 4; ++i) {
        widen_across(codes + i, rest, s->step, s->zero, (i < 2 ? first : second) + 4 * quads + 2 * (i & 1));
    }
}

/* `count` vectors from `first`, in pairs of words; from pair to pair `pair_words`. */
static void widen_vectors(const vectors *s, int32_t first, int32_t count, int32_t pair_words, uint32_t *to)
{
    for (int32_t i = 0; i < count;) {
        const int8_t *codes = s->codes + (first + i) * s->vector;
        uint32_t *pair = to + (i >> 1) * pair_words;
        if (s->vector == 1 && i + 4 <= count) {
            widen_four(s, codes, pair, pair + pair_words);
            i += 4;
        } else if (s->step == 1) {
            widen_along(codes, s->depth, s->zero, pair + 2 * (i & 1));
            ++i;
        } else {
            widen_across(codes, s->depth, s->step, s->zero, pair + 2 * (i & 1));
            ++i;
        }
    }
    if (count & 1) {
        ek_clear_column((s->depth + 3) >> 2, to + (count >> 1) * pair_words + 2);
    }
}

static void gather_rows(void *source, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    (void)fours; /* always by twos */
    const vectors *s = (const vectors *)source;
    widen_vectors(s, first, pixels, 4 * ((s->depth + 3) >> 2), columns);
}

static void widen_columns(void *source, int32_t first, int32_t pairs, uint32_t *tile)
{
    const vectors *s = (const vectors *)source;
    const int32_t quads = (s->depth + 3) >> 2;
    widen_vectors(s, 2 * first, ek_at_most(2 * pairs, s->count - 2 * first), EK_PAIR_WORDS(quads), tile + 2);
    for (; pairs > 0; --pairs) {
        tile[0] = 0;
        tile[1] = 0;
        tile += 2 + 4 * quads;
        for (int32_t i = 0; i < 6; ++i) {
            *tile++ = s->constants[i % 3];
        }
    }
}

/* levels: of the codes of a, 0 where those are numbers themselves; a constant in each instance, as `rounding`. */
EK_INLINE void multiply(const ek_int_matmul_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *a,
                        const int8_t *b, int8_t *y, uint32_t *scratch, int32_t rounding)
{
    const ek_matmul_params *w = &p->walk;
    const int32_t quads = (w->k + 3) >> 2, shift = (p->scale.right - 1) & 31;
    const ek_channel channel = {0, p->scale.multiplier, (uint16_t)(p->scale.left + 1), (uint16_t)p->scale.right};
    const uint32_t constants[3] = {(uint32_t)p->scale.multiplier, (uint32_t)shift,
                                   (uint32_t)ek_shift_left(2 * p->zero_point + 1, (uint32_t)shift)};
    const ek_products products = {w->m,
                                  w->n,
                                  quads,
                                  p->y_row,
                                  &channel,
                                  0,
                                  {p->zero_point, -128, 127, 1},
                                  t,
                                  scratch,
                                  scratch + EK_PAIR_WORDS(quads) * t->tile_pairs};
    int32_t index[EK_MAX_RANK + 1] = {0};
    do {
        vectors rows = {
            a + ek_row_offset(w->batch.rank + 1, index, w->batch.a), w->k, w->a_column, w->a_row, w->m, p->a_zero, 0};
        vectors columns = {b + ek_row_offset(w->batch.rank + 1, index, w->batch.b),
                           w->k,
                           w->b_row,
                           w->b_column,
                           w->n,
                           p->b_zero,
                           constants};
        if (levels) {
            ek_level_rows coded = {rows.codes, levels, w->k, w->a_row};
            ek_multiply_all(&products, ek_gather_levels, &coded, widen_columns, &columns, y, rounding, EK_TWOS);
        } else {
            ek_multiply_all(&products, gather_rows, &rows, widen_columns, &columns, y, rounding, EK_TWOS);
        }
        y += w->m * p->y_row;
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}

void ek_int_matmul_s8_dsp_twice(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                                int8_t *y, void *scratch)
{
    multiply(p, t, 0, a, b, y, (uint32_t *)scratch, EK_TWICE_EACH);
}

void ek_int_matmul_s8_dsp_any(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                              int8_t *y, void *scratch)
{
    multiply(p, t, 0, a, b, y, (uint32_t *)scratch, EK_ANY);
}

void ek_int_matmul_s8_dsp_levels_twice(const ek_int_matmul_params *p, const ek_tiling *t, const int16_t *levels,
                                       const int8_t *a, const int8_t *b, int8_t *y, void *scratch)
{
    multiply(p, t, levels, a, b, y, (uint32_t *)scratch, EK_TWICE_EACH);
}

void ek_int_matmul_s8_dsp_levels_any(const ek_int_matmul_params *p, const ek_tiling *t, const int16_t *levels,
                                     const int8_t *a, const int8_t *b, int8_t *y, void *scratch)
{
    multiply(p, t, levels, a, b, y, (uint32_t *)scratch, EK_ANY);
}
