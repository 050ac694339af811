/* Products of int8 matrices on cores with vectors of 128 bit (MVE): dot products of sixteen codes at a time, two pixels
 * (or tokens) times four output channels, neither side widened. The input's zero point is part of the bias.
 *
 * Table: per four channels the weights, each sixteen inputs of the four channels one after the other, then their biases,
 * multipliers, and right shifts as negative numbers. Inputs are padded to sixteen with weights of zero, channels to four
 * with channels of zero. */
#ifndef EK_DOTS_H
#define EK_DOTS_H

#include "ek_requantize.h"

/* Words of a table that belong to four channels. */
#define EK_FOUR_WORDS(chunks) (16 * (chunks) + 12)

/* One run over a table: its ends, from a code of the first pixel to that of the second one, sixteens of inputs, and the
 * zero point and range of codes. The order is known to the assembly. */
typedef struct {
    const int32_t *table, *end;
    int32_t y_step, chunks;
    int32_t zero_point, low, high;
} ek_dots;

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of two pixels for all channels of a run: y[0], y[1].. and y[y_step], y[y_step + 1].., the second pixel's four
 * first: where there is just one, x1 is x0 and y_step 0. x0 and x1 are 4-byte aligned. Two roundings, where every
 * channel has left 1; or one, where every channel has left 0; right from 1 to 31. */
void ek_dots_twice(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run);
void ek_dots_once(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run);

#ifdef __cplusplus
}
#endif

/* A layer's table, cut into whole fours of channels and the last one to three. */
typedef struct {
    ek_dots whole, rest;
    int32_t out_c;
} ek_dots_layer;

typedef void ek_dots_run(const int8_t *x0, const int8_t *x1, int8_t *y, const ek_dots *run);

static inline ek_dots_layer ek_dots_start(const int32_t *table, int32_t inputs, int32_t out_c, ek_output out)
{
    const int32_t chunks = (inputs + 15) >> 4, words = EK_FOUR_WORDS(chunks);
    const int32_t *rest = table + (out_c >> 2) * words;
    const ek_dots_layer layer = {
        {table, rest, out_c, chunks, out.zero_point, out.low, out.high},
        {rest, rest + words, 4, chunks, out.zero_point, out.low, out.high},
        out_c,
    };
    return layer;
}

/* All channels of two pixels, or of one where x1 is x0. `run` is a constant in each instance. */
EK_INLINE void ek_dots_pixels(ek_dots_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y, ek_dots_run *run)
{
    const int32_t rest = layer->out_c & 3, second = x1 == x0 ? 0 : layer->out_c;
    layer->whole.y_step = second;
    if (layer->out_c > 3) {
        run(x0, x1, y, &layer->whole);
    }
    if (rest) {
        int8_t codes[8];
        run(x0, x1, codes, &layer->rest);
        y += layer->out_c - rest;
        for (int32_t i = 0; i < rest; ++i) {
            y[i] = codes[i];
        }
        for (int32_t i = 0; second && i < rest; ++i) {
            y[second + i] = codes[4 + i];
        }
    }
}

#endif
