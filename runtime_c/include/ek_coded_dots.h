/* Coded weights for vectors of 128 bit (ek_dots.h): of four channels sixteen inputs at a time, 64 codes in 8 * bits
 * bytes, where lane i of every vector belongs to input i. 4 bits: channels 0 and 1 in the lower and upper half of
 * sixteen bytes, then channels 2 and 3. 2 bits: channel c from bit 2 * c of sixteen bytes. 3 bits: their lower two bits
 * likewise, then the third ones of inputs 2 i and 2 i + 1 in the halves of byte i, channel c in bit c of its half.
 * Inputs are padded to sixteen and channels to four with code 0. */
#ifndef EK_CODED_DOTS_H
#define EK_CODED_DOTS_H

#include "ek_coding.h"
#include "ek_dots.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the table of `fours` times four channels from channel `first`, of inputs with that zero point. */
void ek_decode_fours(const ek_coding *coding, const uint8_t *w, const uint32_t *channels, int32_t first, int32_t fours,
                     int32_t chunks, int32_t input_zero, int32_t *table);

#ifdef __cplusplus
}
#endif
#endif
