/* Products of widened columns and tiles (ek_columns.h), four pixels times two channels at a time: six words feed
 * sixteen multiply-accumulates, where two pixels take eight.
 *
 * Columns of four pixels: as those of two, a quad of four inputs is eight words. */
#ifndef EK_FOURS_H
#define EK_FOURS_H

#include "ek_columns.h"

#define EK_FOUR_QUAD 8

#ifdef __cplusplus
extern "C" {
#endif

/* As ek_multiply_columns_twice and _once do for two pixels, y_step from pixel to pixel. Loads in groups, for cores that
 * issue one instruction at a time; or each load beside a product, for cores that issue two. May read a word behind the
 * columns. */
void ek_multiply_fours_grouped_twice(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);
void ek_multiply_fours_grouped_once(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);
void ek_multiply_fours_beside_twice(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);
void ek_multiply_fours_beside_once(const uint32_t *columns, const uint32_t *tile, int8_t *y, const ek_run *run);

#ifdef __cplusplus
}
#endif
#endif
