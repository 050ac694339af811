#include "ek_coded_dots.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include <arm_mve.h>

/* Sixteen weights of one channel to `to`, added to its sum. */
EK_INLINE int32_t put(const int8_t *table, uint8x16_t codes, int32_t sum, int8_t *to)
{
    const int8x16_t weights = vldrbq_gather_offset_s8(table, codes);
    vstrbq_s8(to, weights);
    return vaddvaq_s8(sum, weights);
}

static void decode_4(const int8_t *table, const uint8_t *w, int8_t *to, int32_t sums[4])
{
    const uint8x16_t half = vdupq_n_u8(15);
    for (int32_t c = 0; c < 4; c += 2) {
        const uint8x16_t codes = vldrbq_u8(w);
        sums[c] = put(table, vandq_u8(codes, half), sums[c], to);
        sums[c + 1] = put(table, vshrq_n_u8(codes, 4), sums[c + 1], to + 16);
        w += 16;
        to += 32;
    }
}

static void decode_2(const int8_t *table, const uint8_t *w, int8_t *to, int32_t sums[4])
{
    const uint8x16_t codes = vldrbq_u8(w), two = vdupq_n_u8(3);
    sums[0] = put(table, vandq_u8(codes, two), sums[0], to);
    sums[1] = put(table, vandq_u8(vshrq_n_u8(codes, 2), two), sums[1], to + 16);
    sums[2] = put(table, vandq_u8(vshrq_n_u8(codes, 4), two), sums[2], to + 32);
    sums[3] = put(table, vshrq_n_u8(codes, 6), sums[3], to + 48);
}

static void decode_3(const int8_t *table, const uint8_t *w, int8_t *to, int32_t sums[4])
{
    const uint8x16_t codes = vldrbq_u8(w), two = vdupq_n_u8(3), third = vdupq_n_u8(4);
    const uint16x8_t pairs = vldrbq_u16(w + 16);
    const uint8x16_t bits = vreinterpretq_u8_u16(vorrq_u16(pairs, vshlq_n_u16(pairs, 4)));
    sums[0] = put(table, vorrq_u8(vandq_u8(codes, two), vandq_u8(vshlq_n_u8(bits, 2), third)), sums[0], to);
    sums[1] = put(table, vorrq_u8(vandq_u8(vshrq_n_u8(codes, 2), two), vandq_u8(vshlq_n_u8(bits, 1), third)), sums[1],
                  to + 16);
    sums[2] = put(table, vorrq_u8(vandq_u8(vshrq_n_u8(codes, 4), two), vandq_u8(bits, third)), sums[2], to + 32);
    sums[3] = put(table, vorrq_u8(vshrq_n_u8(codes, 6), vandq_u8(vshrq_n_u8(bits, 1), third)), sums[3], to + 48);
}

static void decode_chunk(int32_t bits, const int8_t *table, const uint8_t *w, int8_t *to, int32_t sums[4])
{
    if (bits == 4) {
        decode_4(table, w, to, sums);
    } else if (bits == 3) {
        decode_3(table, w, to, sums);
    } else {
        decode_2(table, w, to, sums);
    }
}

#else

/* The code of input `lane` of channel c. */
static uint32_t code_of(const uint8_t *w, int32_t bits, int32_t c, int32_t lane)
{
    if (bits == 4) {
        return (uint32_t)w[16 * (c >> 1) + lane] >> (4 * (c & 1)) & 15u;
    }
    const uint32_t low = (uint32_t)w[lane] >> (2 * c) & 3u;
    if (bits == 2) {
        return low;
    }
    return low | ((uint32_t)w[16 + (lane >> 1)] >> (4 * (lane & 1) + c) & 1u) << 2;
}

static void decode_chunk(int32_t bits, const int8_t *table, const uint8_t *w, int8_t *to, int32_t sums[4])
{
    for (int32_t c = 0; c < 4; ++c) {
        for (int32_t lane = 0; lane < 16; ++lane) {
            *to = table[code_of(w, bits, c, lane)];
            sums[c] += *to++;
        }
    }
}

#endif

void ek_decode_fours(const ek_coding *coding, const uint8_t *w, const uint32_t *channels, int32_t first, int32_t fours,
                     int32_t chunks, int32_t input_zero, int32_t *table)
{
    const int32_t bits = coding->bits, bytes = 8 * bits;
    const uint8_t *codes = w + coding->tables + (first >> 2) * chunks * bytes;
    for (; fours > 0; --fours) {
        const int8_t *levels = ek_levels_of(coding, w, first);
        int32_t sums[4] = {0, 0, 0, 0};
        for (int32_t chunk = 0; chunk < chunks; ++chunk) {
            decode_chunk(bits, levels, codes, (int8_t *)table, sums);
            codes += bytes;
            table += 16;
        }
        for (int32_t i = 0; i < 4; ++i) {
            const ek_channel channel = ek_coded_channel(coding, channels, first++);
            table[i] = (int32_t)((uint32_t)channel.bias - (uint32_t)(input_zero * sums[i]));
            table[4 + i] = channel.multiplier;
            table[8 + i] = -(int32_t)channel.right;
        }
        table += 12;
    }
}
