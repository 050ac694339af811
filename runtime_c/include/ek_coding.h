/* Weights of 4, 3 or 2 bits as they stand in flash, and the channels that belong to them. Kernels decode them while
 * they make a tile of channels, which serves all pixels (or rows); the loops behind that are those of int8 weights.
 *
 * Eight codes take `bits` bytes: from the lowest bit up four fields, each of two codes of `bits` bits.
 *
 * In pairs: of each pair of output channels, four inputs at a time, the first channel's inputs (0, 2) and (1, 3), then
 * the second one's. Inputs are padded to four and channels to two with code 0; where that is no weight 0,
 * inputs need no padding.
 *
 * Where groups of channels have levels of their own, tables of 2^bits levels are before the codes, one for each group.
 */
#ifndef EK_CODING_H
#define EK_CODING_H

#include "ek_requantize.h"

/* How a layer's weights and channels are coded.
 *
 * Channels are words: from the lowest bit up 15 bits of the multiplier below its first one and above 15 zeros, 4 bits
 * that are added to `right`, and 13 bits of the bias in units of 2^(right shift - fraction). Where such words cannot
 * hold them, `wide` channels are records of ek_channel. */
typedef struct {
    int8_t levels[16]; /* the weight of each code, where all channels share levels */
    int32_t tables;    /* bytes before the codes, 0 where all channels share levels */
    int32_t fraction;
    uint8_t bits;
    uint8_t group; /* 2^group channels, one after the other, share levels; 31: all do */
    uint8_t wide;
    uint8_t left, right;
} ek_coding;

/* The weight of each code of a channel; w: with the tables. */
static inline const int8_t *ek_levels_of(const ek_coding *coding, const uint8_t *w, int32_t channel)
{
    return coding->tables == 0 ? coding->levels : (const int8_t *)w + ((channel >> coding->group) << coding->bits);
}

/* Bytes of the codes of a pair of channels. */
static inline int32_t ek_pair_bytes(const ek_coding *coding, int32_t inputs)
{
    return ((inputs + 3) >> 2) * coding->bits;
}

/* The record of a channel. */
static inline ek_channel ek_coded_channel(const ek_coding *coding, const uint32_t *channels, int32_t index)
{
    if (coding->wide) {
        return ((const ek_channel *)(const void *)channels)[index];
    }
    const uint32_t word = channels[index];
    const int32_t right = coding->right + (int32_t)((word >> 15) & 15u);
    const int32_t bias = (int32_t)word >> 19;
    const ek_channel channel = {
        ek_shift_left(bias, (uint32_t)(right - coding->fraction) & 31u),
        (int32_t)((word << 15 & 0x3FFFFFFFu) | 0x40000000u),
        coding->left,
        (uint16_t)right,
    };
    return channel;
}

#endif
