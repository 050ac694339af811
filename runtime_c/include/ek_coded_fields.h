/* The table that decodes a field of two codes (ek_coding.h) to two 16-bit lanes. */
#ifndef EK_CODED_FIELDS_H
#define EK_CODED_FIELDS_H

#include "ek_lanes.h"

#define EK_FIELDS(bits) (UINT32_C(1) << (2 * (bits)))

#ifdef __cplusplus
extern "C" {
#endif

/* Fills EK_FIELDS(bits) words, for the weight of each code. */
void ek_make_fields(int32_t bits, const int8_t *levels, uint32_t *fields);

#ifdef __cplusplus
}
#endif
#endif
