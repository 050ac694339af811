/* Activations as codes of a grid (ek_levels.h) to columns of 16-bit lanes. */
#ifndef EK_LEVEL_COLUMNS_H
#define EK_LEVEL_COLUMNS_H

#include "ek_fours.h"
#include "ek_simd.h"

/* Rows of `inputs` codes, from one to the next `pitch`. */
typedef struct {
    const int8_t *codes;
    const int16_t *levels;
    int32_t inputs, pitch;
} ek_level_rows;

#ifdef __cplusplus
extern "C" {
#endif

/* Levels of rows as columns (ek_columns.h, ek_fours.h): an ek_gather of ek_level_rows. */
void ek_gather_levels(void *rows, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns);

#ifdef __cplusplus
}
#endif
#endif
