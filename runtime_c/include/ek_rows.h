/* Products of rows of int8 codes on cores without two-lane arithmetic or vectors. Both sides are read as they stand:
 * loading a code takes one instruction on every core, so there is no tile. The input's zero point is part of the
 * channels' biases; sums and biases are modulo 2^32, and what is left at the end fits. */
#ifndef EK_ROWS_H
#define EK_ROWS_H

#include "ek_requantize.h"

/* Rows of at least one code. The order is known to the assembly. */
typedef struct {
    int32_t count; /* codes of a row */
    const int8_t *rows[5];
} ek_row_block;

/* Rows of w, one for each output channel, times rows of x. A channel's bias has -input_zero * sum(w - weight_zero) in
 * it. */
typedef struct {
    int32_t inputs, outputs;
    int32_t weight_zero;
    const int8_t *w;
    const ek_channel *channels;
    ek_output out;
} ek_row_layer;

#ifdef __cplusplus
extern "C" {
#endif

/* Sums of products of two rows of x (rows 0 and 1) with two of w (rows 2 and 3): x0 w0, x1 w0, x0 w1, x1 w1. */
void ek_sum_two_by_two(const ek_row_block *block, uint32_t *sums);

/* Sums of products of one row of x (row 0) with four of w. */
void ek_sum_one_by_four(const ek_row_block *block, uint32_t *sums);

#define EK_DECLARE_ROWS(rounding)                                                                                      \
    void ek_multiply_row_##rounding(const ek_row_layer *layer, const int8_t *x, int8_t *y);                            \
    void ek_multiply_two_rows_##rounding(const ek_row_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y,     \
                                         int32_t y_step);

/* All channels of one row of x, and of two; y_step: from a code of the first one to that of the second one. Roundings
 * as of ek_requantize.h. */
EK_DECLARE_ROWS(any)
EK_DECLARE_ROWS(once)
EK_DECLARE_ROWS(twice)

/* The sum of `count` codes that are `step` apart. */
int32_t ek_sum_codes(const int8_t *codes, int32_t count, int32_t step);

#ifdef __cplusplus
}
#endif
/* The same; `rounding` is a constant in each instance of a kernel. */
EK_INLINE void ek_multiply_row(const ek_row_layer *layer, const int8_t *x, int8_t *y, int32_t rounding)
{
    if (rounding == EK_ONCE_EACH) {
        ek_multiply_row_once(layer, x, y);
    } else if (rounding == EK_TWICE_EACH) {
        ek_multiply_row_twice(layer, x, y);
    } else {
        ek_multiply_row_any(layer, x, y);
    }
}

EK_INLINE void ek_multiply_two_rows(const ek_row_layer *layer, const int8_t *x0, const int8_t *x1, int8_t *y,
                                    int32_t y_step, int32_t rounding)
{
    if (rounding == EK_ONCE_EACH) {
        ek_multiply_two_rows_once(layer, x0, x1, y, y_step);
    } else if (rounding == EK_TWICE_EACH) {
        ek_multiply_two_rows_twice(layer, x0, x1, y, y_step);
    } else {
        ek_multiply_two_rows_any(layer, x0, x1, y, y_step);
    }
}

#endif
