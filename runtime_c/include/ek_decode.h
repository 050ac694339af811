/* Coded weights (ek_coding.h) as int8. */
#ifndef EK_DECODE_H
#define EK_DECODE_H

#include "ek_coding.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A number of codes of that table in their order, eight at a time. */
void ek_decode_codes(int32_t bits, const int8_t *table, int32_t count, const uint8_t *w, int8_t *to);

/* Of a pair of channels with `inputs` inputs: as int8 weights of two rows, one after the other, whose sums it returns.
 */
void ek_decode_pair(int32_t bits, const int8_t *table, int32_t inputs, const uint8_t *w, int8_t *rows, int32_t sums[2]);

#ifdef __cplusplus
}
#endif
#endif
