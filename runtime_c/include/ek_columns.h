/* Products of int8 matrices on cores with two-lane 16-bit arithmetic: two pixels (or tokens) times two output channels
 * at a time, both sides widened to 16 bit beforehand, so that the inner loop is loads and multiply-accumulates alone.
 *
 * Columns: the inputs of two pixels in words of two 16-bit lanes; a quad of four inputs is four words: inputs 0 and 2,
 * then 1 and 3, of the first pixel, then the same of the second one. Inputs are padded to whole quads with zeros.
 * Tile: per pair of output channels two biases, then quads as above with channels for pixels, then for each of the two
 * its multiplier, its right shift less one, and the offset shifted left by that. */
#ifndef EK_COLUMNS_H
#define EK_COLUMNS_H

#include "ek_requantize.h"

/* Words of a tile that belong to one pair of channels. */
#define EK_PAIR_WORDS(quads) (4 * (quads) + 8)

/* One run over a tile: pairs of channels, quads of inputs, and from a code of the first pixel to that of the second one
 * (0 where there is just one pixel). */
typedef struct {
    int32_t pairs, quads, y_step;
} ek_run;

#ifdef __cplusplus
extern "C" {
#endif

/* Widens quads of codes, added to the lanes of `base`, into one pixel of a pair of columns; returns the place of the
 * quad that follows. */
uint32_t *ek_widen_column(const int8_t *x, int32_t quads, uint32_t base, uint32_t *column);

/* Zeros for one pixel of a pair of columns. */
static inline void ek_clear_column(int32_t quads, uint32_t *column)
{
    for (; quads > 0; --quads) {
        column[0] = 0;
        column[1] = 0;
        column += 4;
    }
}

/* The constants of a pair of channels behind its weights; offset: twice the output's zero point plus one. Returns the
 * end of the pair. */
static inline uint32_t *ek_put_constants(const ek_channel *channels, int32_t offset, uint32_t *tile)
{
    for (int32_t i = 0; i < 2; ++i) {
        const uint32_t shift = (channels[i].right - 1u) & 31u;
        *tile++ = (uint32_t)channels[i].multiplier;
        *tile++ = shift;
        *tile++ = (uint32_t)offset << shift;
    }
    return tile;
}

/* Widens pairs of channels. w: words of four int8 weights, alternating between the two channels of a pair; offset as
 * above. Returns the end of the tile. */
uint32_t *ek_widen_channels(int32_t pairs, int32_t quads, int32_t weight_zero, int32_t offset, const int8_t *w,
                            const ek_channel *channels, uint32_t *tile);

/* Codes of two pixels for all channels of a tile: y[0], y[1].. and y[y_step], y[y_step + 1]... Full int8 range.
 * Two roundings, where every channel has left 1; or one, where every channel has left 0; right from 1 to 21. */
void ek_multiply_columns_twice(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);
void ek_multiply_columns_once(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);

/* Accumulators: per pair of channels those of the first channel for both pixels, then those of the second one. */
void ek_multiply_columns(const uint32_t *columns, const uint32_t *tile, int32_t *y, const ek_run *run);

#ifdef __cplusplus
}
#endif
#endif
