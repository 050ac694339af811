/* Products of int8 matrices on cores with vectors of 128 bit (MVE): dot products of sixteen codes at a time, two pixels
 * (or tokens) times four output channels, neither side widened. The input's zero point is part of the bias.
 *
 * Table: per four channels the weights, each sixteen inputs of the four channels one after the other, then their
 * biases, multipliers, and right shifts as negative numbers. Inputs are padded to sixteen with weights of zero,
 * channels to four with channels of zero. */
#ifndef EK_DOTS_H
#define EK_DOTS_H

#include "ek_requantize.h"

/* Words of a table that belong to four channels. */
#define EK_FOUR_WORDS(chunks) (16 * (chunks) + 12)

/* One run over a table: its ends, from a code of the first pixel to that of the second one, sixteens of inputs, the
 * zero point and range of codes, and what the sums of the two pixels start with in ek_dots_from_twice. The order is
 * known to the assembly. */
typedef struct {
    const int32_t *table, *end;
    int32_t y_step, chunks;
    int32_t zero_point, low, high;
    int32_t from[2];
} ek_dots;

typedef void ek_dots_run(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run);

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of two pixels for all channels of a run: y[0], y[1].. and y[y_step], y[y_step + 1].., the second pixel's four
 * first: where there is just one, x1 is x0 and y_step 0. x0 and x1 are 4-byte aligned. Two roundings, where every
 * channel has left 1; or one, where every channel has left 0; right from 1 to 31. */
ek_dots_run ek_dots_twice, ek_dots_once, ek_dots_from_twice;

/* Codes of one pixel; x1 and y_step are not used. */
ek_dots_run ek_dots_single_twice, ek_dots_single_once;

#ifdef __cplusplus
}
#endif

/* The channels of a table, cut into whole fours and the last one to three. */
typedef struct {
    ek_dots whole, rest;
    int32_t channels, y_step;
} ek_dots_layer;

/* y_step: from pixel to pixel. */
static inline ek_dots_layer ek_dots_start(const int32_t *table, int32_t inputs, int32_t channels, int32_t y_step,
                                          ek_output out)
{
    const int32_t chunks = (inputs + 15) >> 4, words = EK_FOUR_WORDS(chunks);
    const int32_t *rest = table + (channels >> 2) * words;
    const ek_dots_layer layer = {
        {table, rest, y_step, chunks, out.zero_point, out.low, out.high, {0, 0}},
        {rest, rest + words, 4, chunks, out.zero_point, out.low, out.high, {0, 0}},
        channels,
        y_step,
    };
    return layer;
}

/* All channels of two pixels, or of one where x1 is x0. `run` is a constant in each instance. */
EK_INLINE void ek_dots_pixels(ek_dots_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y, ek_dots_run *run)
{
    const int32_t rest = layer->channels & 3, second = x1 == x0 ? 0 : layer->y_step;
    layer->whole.y_step = second;
    if (layer->channels > 3) {
        run(x0, x1, y, &layer->whole);
    }
    if (rest) {
        int8_t codes[8];
        run(x0, x1, codes, &layer->rest);
        y += layer->channels - rest;
        for (int32_t i = 0; i < rest; ++i) {
            y[i] = codes[i];
        }
        for (int32_t i = 0; second && i < rest; ++i) {
            y[second + i] = codes[4 + i];
        }
    }
}

/* All channels of rows of `inputs` codes, a multiple of sixteen, that stand one after the other. */
EK_INLINE void ek_dots_rows(ek_dots_layer *layer, const int8_t *x, int32_t rows, int32_t inputs, int8_t *y,
                            ek_dots_run *run)
{
    for (; rows > 0; rows -= 2) {
        ek_dots_pixels(layer, x, rows > 1 ? x + inputs : x, y, run);
        x += 2 * inputs;
        y += 2 * layer->y_step;
    }
}

#endif
