/* The loops of all products of widened tiles: what differs is where columns and channels come from. */
#ifndef EK_PRODUCTS_H
#define EK_PRODUCTS_H

#include "ek_fours.h"
#include "ek_kernels.h"

/* How pixels go together: two at a time, or some of them four at a time with one of the loops of ek_fours.h. */
enum { EK_TWOS, EK_GROUPED, EK_BESIDE };

/* A product of `pixels` columns and `out_c` channels, cut as `t` says; from pixel to pixel of the output are y_row
 * codes. channels: one record for each channel, or with channel_step 0 one for all. */
typedef struct {
    int32_t pixels, out_c, quads, y_row;
    const ek_channel *channels;
    int32_t channel_step;
    ek_output out;
    const ek_tiling *t;
    uint32_t *tile, *columns;
} ek_products;

/* Makes the columns of the `pixels` pixels from `first`, so many times four and then in pairs: called in their order,
 * and again from 0. */
typedef void ek_gather(void *source, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns);

/* Makes the tile of `pairs` pairs of channels from pair `first`. */
typedef void ek_widen(void *source, int32_t first, int32_t pairs, uint32_t *tile);

/* Two pixels, any shifts and any range of codes, a pair of channels at a time. */
static inline void ek_multiply_any(const ek_products *p, const uint32_t *columns, const uint32_t *tile, int32_t channel,
                                   int8_t *y, const ek_run *run)
{
    const ek_run one = {1, run->quads, 0};
    const ek_channel *record = p->channels + channel * p->channel_step;
    for (int32_t i = 0; i < run->pairs; ++i) {
        int32_t acc[4];
        ek_multiply_columns(columns, tile, acc, &one);
        for (int32_t c = 0; c < 2; ++c) {
            y[run->y_step] = ek_requantize(acc[2 * c + 1], record, p->out, p->out.double_rounding);
            *y++ = ek_requantize(acc[2 * c], record, p->out, p->out.double_rounding);
            record += p->channel_step;
        }
        tile += EK_PAIR_WORDS(run->quads);
    }
}

EK_INLINE void ek_multiply(const ek_products *p, const uint32_t *columns, const uint32_t *tile, int32_t channel,
                           int8_t *y, const ek_run *run, int32_t rounding)
{
    if (rounding == EK_ONCE_EACH) {
        ek_multiply_columns_once(columns, tile, y, run);
    } else if (rounding == EK_TWICE_EACH) {
        ek_multiply_columns_twice(columns, tile, y, run);
    } else {
        ek_multiply_any(p, columns, tile, channel, y, run);
    }
}

static inline int32_t ek_at_most(int32_t count, int32_t left)
{
    return count < left ? count : left;
}

/* How many times four pixels of a group go together. */
EK_INLINE int32_t ek_fours_of(const ek_tiling *t, int32_t pixels, int32_t loop)
{
    return loop == EK_TWOS ? 0 : ek_at_most(t->fours, pixels >> 2);
}

EK_INLINE void ek_multiply_fours(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run,
                                 int32_t rounding, int32_t loop)
{
    if (loop == EK_GROUPED && rounding == EK_ONCE_EACH) {
        ek_multiply_fours_grouped_once(columns, tile, y, run);
    } else if (loop == EK_GROUPED) {
        ek_multiply_fours_grouped_twice(columns, tile, y, run);
    } else if (rounding == EK_ONCE_EACH) {
        ek_multiply_fours_beside_once(columns, tile, y, run);
    } else {
        ek_multiply_fours_beside_twice(columns, tile, y, run);
    }
}

/* A group of pixels times the tile that starts at pair `first`. */
EK_INLINE void ek_multiply_group(const ek_products *p, int32_t pixels, int32_t first, int32_t pairs, int8_t *y,
                                 int32_t rounding, int32_t loop)
{
    const int32_t out_c = p->out_c;
    const int32_t whole = 2 * (first + pairs) > out_c ? pairs - 1 : pairs; /* less one of a single channel */
    const uint32_t *columns = p->columns, *last = p->tile + EK_PAIR_WORDS(p->quads) * whole;
    ek_run run = {whole, p->quads, p->y_row};
    y += 2 * first;
    for (int32_t fours = ek_fours_of(p->t, pixels, loop); fours > 0; --fours, pixels -= 4) {
        if (whole > 0) {
            ek_multiply_fours(columns, p->tile, y, &run, rounding, loop);
        }
        if (whole < pairs) {
            const ek_run one = {1, p->quads, 2};
            int8_t codes[8];
            ek_multiply_fours(columns, last, codes, &one, rounding, loop);
            for (int32_t i = 0; i < 4; ++i) {
                y[i * p->y_row + 2 * whole] = codes[2 * i];
            }
        }
        columns += EK_FOUR_QUAD * p->quads;
        y += 4 * p->y_row;
    }
    for (; pixels > 0; pixels -= 2) {
        run.y_step = pixels == 1 ? 0 : p->y_row;
        if (whole > 0) {
            ek_multiply(p, columns, p->tile, 2 * first, y, &run, rounding);
        }
        if (whole < pairs) {
            const ek_run one = {1, p->quads, 2};
            int8_t codes[4];
            ek_multiply(p, columns, last, out_c - 1, codes, &one, rounding);
            y[run.y_step + 2 * whole] = codes[2];
            y[2 * whole] = codes[0];
        }
        columns += 4 * p->quads;
        y += 2 * p->y_row;
    }
}

/* The whole product; `gather`, `widen`, `rounding` and `loop` are constants in each instance. */
EK_INLINE void ek_multiply_all(const ek_products *p, ek_gather *gather, void *pixels, ek_widen *widen, void *channels,
                               int8_t *y, int32_t rounding, int32_t loop)
{
    const int32_t pairs = (p->out_c + 1) >> 1, tile_pairs = p->t->tile_pairs, group = 2 * p->t->group_pairs;
    const int32_t outer = p->t->tiles_outer ? tile_pairs : pairs;
    for (int32_t tile = 0; tile < pairs; tile += outer) {
        const int32_t end = ek_at_most(tile + outer, pairs);
        if (p->t->tiles_outer) {
            widen(channels, tile, end - tile, p->tile);
        }
        for (int32_t pixel = 0; pixel < p->pixels; pixel += group) {
            const int32_t count = ek_at_most(group, p->pixels - pixel);
            gather(pixels, pixel, count, ek_fours_of(p->t, count, loop), p->columns);
            for (int32_t first = tile; first < end; first += tile_pairs) {
                const int32_t some = ek_at_most(tile_pairs, end - first);
                if (!p->t->tiles_outer) {
                    widen(channels, first, some, p->tile);
                }
                ek_multiply_group(p, count, first, some, y + pixel * p->y_row, rounding, loop);
            }
        }
    }
}

#endif
