#include "ek_bytes.h"
#include "ek_dots.h"
#include "ek_integer.h"
#include "ek_kernels.h"

/* Codes of a matrix as vectors: from code to code of one, and from one to the next. */
typedef struct {
    const int8_t *codes;
    int32_t step, vector;
} vectors;

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* A vector's codes, sixteen at a time to places `apart`, zeros behind the last one; returns their sum. */
static int32_t pack(const vectors *s, int32_t index, int32_t depth, int32_t apart, int8_t *to)
{
    const int8_t *from = s->codes + index * s->vector;
    int32_t sum = 0;
    if (s->step == 1) {
        for (int32_t left = depth; left > 0; left -= 16) {
            const int8x16_t codes = vldrbq_z_s8(from, vctp8q((uint32_t)left));
            vstrbq_s8(to, codes);
            sum = vaddvaq_s8(sum, codes);
            from += 16;
            to += apart;
        }
        return sum;
    }
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)s->step);
    for (int32_t at = 0; at < ((depth + 15) & ~15); at += 4) {
        const int32_t left = depth > at ? depth - at : 0;
        const int32x4_t codes = vldrbq_gather_offset_z_s32(from, places, vctp32q((uint32_t)left));
        vstrbq_s32(to + (at >> 4) * apart + (at & 15), codes);
        sum = vaddvaq_s32(sum, codes);
        from += 4 * s->step;
    }
    return sum;
}

#else

static int32_t pack(const vectors *s, int32_t index, int32_t depth, int32_t apart, int8_t *to)
{
    const int8_t *from = s->codes + index * s->vector;
    int32_t sum = 0;
    for (int32_t at = 0; at < ((depth + 15) & ~15); ++at) {
        const int8_t code = at < depth ? from[at * s->step] : 0;
        to[(at >> 4) * apart + (at & 15)] = code;
        sum += code;
    }
    return sum;
}

#endif

/* The table of `count` columns of b from `first`. */
static void pack_table(const ek_int_matmul_params *p, const vectors *columns, int32_t first, int32_t count,
                       int32_t *table)
{
    const int32_t depth = p->walk.k, chunks = (depth + 15) >> 4;
    for (int32_t i = 0; i < ((count + 3) & ~3); ++i) {
        int32_t *four = table + (i >> 2) * EK_FOUR_WORDS(chunks), *constants = four + 16 * chunks + (i & 3);
        const int32_t length = i < count ? depth : 0;
        int8_t *codes = (int8_t *)four + 16 * (i & 3);
        const int32_t sum = pack(columns, first + i, length, 64, codes);
        for (int32_t at = (length + 15) >> 4; at < chunks; ++at) {
            ek_fill_codes(codes + 64 * at, 0, 16);
        }
        constants[0] = p->a_zero * (depth * p->b_zero - sum);
        constants[4] = p->scale.multiplier;
        constants[8] = -(int32_t)p->scale.right;
    }
}

/* One matrix, `fours` of columns at a time; the rows of a are copied, two at a time, to `pixels`. */
static void multiply(const ek_int_matmul_params *p, int32_t fours, const vectors *rows, const vectors *columns,
                     int8_t *y, int32_t *table, int8_t *pixels)
{
    const int32_t depth = p->walk.k, n = p->walk.n, m = p->walk.m, padded = (depth + 15) & ~15;
    const ek_output out = {p->zero_point, -128, 127, 1};
    for (int32_t first = 0; first < n; first += 4 * fours) {
        const int32_t count = n - first < 4 * fours ? n - first : 4 * fours;
        pack_table(p, columns, first, count, table);
        ek_dots_layer layer = ek_dots_start(table, depth, count, p->y_row, out);
        for (int32_t row = 0; row < m; row += 2) {
            for (int32_t i = 0; i < 2 && row + i < m; ++i) {
                const int32_t from = -p->b_zero * pack(rows, row + i, depth, 16, pixels + i * padded);
                layer.whole.from[i] = from;
                layer.rest.from[i] = from;
            }
            ek_dots_pixels(&layer, pixels, row + 1 < m ? pixels + padded : pixels, y + row * p->y_row + first,
                           ek_dots_from_twice);
        }
    }
}

void ek_int_matmul_s8_mve(const ek_int_matmul_params *p, int32_t fours, const int8_t *a, const int8_t *b, int8_t *y,
                          void *scratch)
{
    const ek_matmul_params *w = &p->walk;
    int32_t *table = (int32_t *)scratch;
    int8_t *pixels = (int8_t *)(table + fours * EK_FOUR_WORDS((w->k + 15) >> 4));
    int32_t index[EK_MAX_RANK + 1] = {0};
    do {
        const vectors rows = {a + ek_row_offset(w->batch.rank + 1, index, w->batch.a), w->a_column, w->a_row};
        const vectors columns = {b + ek_row_offset(w->batch.rank + 1, index, w->batch.b), w->b_row, w->b_column};
        multiply(p, fours, &rows, &columns, y, table, pixels);
        y += w->m * p->y_row;
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}
