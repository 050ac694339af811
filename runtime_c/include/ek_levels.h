/* Activations as codes of a grid: each int8 code stands for a level of 16 bits, in a table in the order of bytes. */
#ifndef EK_LEVELS_H
#define EK_LEVELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The levels of `count` codes that are `step` apart. */
void ek_decode_levels(const int8_t *codes, int32_t count, int32_t step, const int16_t *levels, int16_t *to);

#ifdef __cplusplus
}
#endif
#endif
