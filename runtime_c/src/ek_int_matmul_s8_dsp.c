#include "ek_integer.h"
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

/* Four vectors that stand side by side, four codes of each at a time. */
static void widen_four(const vectors *s, const int8_t *codes, uint32_t *const to[4])
{
    const uint32_t minus_zero = ek_pair(-s->zero, -s->zero);
    const int32_t step = s->step;
    int32_t place = 0;
    for (int32_t left = s->depth; left > 0; left -= 4, place += 4) {
        uint32_t even[4], odd[4];
        for (int32_t i = 0; i < 4; ++i) {
            const uint32_t word = i < left ? ek_load32(codes) : 0;
            even[i] = i < left ? ek_sxtab16(minus_zero, word) : 0;
            odd[i] = i < left ? ek_sxtab16_odd(minus_zero, word) : 0;
            codes += i < left ? step : 0;
        }
        to[0][place] = ek_pack_low(even[0], even[2]);
        to[0][place + 1] = ek_pack_low(even[1], even[3]);
        to[1][place] = ek_pack_low(odd[0], odd[2]);
        to[1][place + 1] = ek_pack_low(odd[1], odd[3]);
        to[2][place] = ek_pack_high(even[0], even[2]);
        to[2][place + 1] = ek_pack_high(even[1], even[3]);
        to[3][place] = ek_pack_high(odd[0], odd[2]);
        to[3][place + 1] = ek_pack_high(odd[1], odd[3]);
    }
}

static void clear(int32_t quads, uint32_t *to)
{
    for (; quads > 0; --quads) {
        to[0] = 0;
        to[1] = 0;
        to += 4;
    }
}

/* `count` vectors from `first`, in pairs of words; from pair to pair `pair_words`. */
static void widen_vectors(const vectors *s, int32_t first, int32_t count, int32_t pair_words, uint32_t *to)
{
    for (int32_t i = 0; i < count;) {
        const int8_t *codes = s->codes + (first + i) * s->vector;
        uint32_t *pair = to + (i >> 1) * pair_words;
        if (s->vector == 1 && i + 4 <= count) {
            uint32_t *const four[4] = {pair, pair + 2, pair + pair_words, pair + pair_words + 2};
            widen_four(s, codes, four);
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
        clear((s->depth + 3) >> 2, to + (count >> 1) * pair_words + 2);
    }
}

static void gather(void *source, int32_t first, int32_t pixels, uint32_t *columns)
{
    const vectors *s = (const vectors *)source;
    widen_vectors(s, first, pixels, 4 * ((s->depth + 3) >> 2), columns);
}

static void widen(void *source, int32_t first, int32_t pairs, uint32_t *tile)
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

EK_INLINE void multiply(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b, int8_t *y,
                        uint32_t *scratch, int32_t rounding)
{
    const ek_matmul_params *w = &p->walk;
    const int32_t quads = (w->k + 3) >> 2, shift = (p->scale.right - 1) & 31;
    const ek_channel channel = {0, p->scale.multiplier, (uint16_t)(p->scale.left + 1), (uint16_t)p->scale.right};
    const uint32_t constants[3] = {(uint32_t)p->scale.multiplier, (uint32_t)shift,
                                   (uint32_t)ek_shift_left(2 * p->zero_point + 1, (uint32_t)shift)};
    const ek_products products = {w->m,     w->n,    quads,
                                  &channel, 0,       {p->zero_point, -128, 127, 1},
                                  t,        scratch, scratch + EK_PAIR_WORDS(quads) * t->tile_pairs};
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
        ek_multiply_all(&products, gather, &rows, widen, &columns, y, rounding);
        y += w->m * w->n;
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}

void ek_int_matmul_s8_dsp_twice(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                                int8_t *y, void *scratch)
{
    multiply(p, t, a, b, y, (uint32_t *)scratch, EK_TWICE_EACH);
}

void ek_int_matmul_s8_dsp_any(const ek_int_matmul_params *p, const ek_tiling *t, const int8_t *a, const int8_t *b,
                              int8_t *y, void *scratch)
{
    multiply(p, t, a, b, y, (uint32_t *)scratch, EK_ANY);
}
