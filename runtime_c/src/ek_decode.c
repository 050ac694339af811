#include "ek_decode.h"

/* Eight codes as a word; in what follows `bits` is a constant in each instance. */
EK_INLINE uint32_t load_codes(const uint8_t *w, int32_t bits)
{
    uint32_t word = w[0] | (uint32_t)w[1] << 8;
    if (bits > 2) {
        word |= (uint32_t)w[2] << 16;
    }
    if (bits > 3) {
        word |= (uint32_t)w[3] << 24;
    }
    return word;
}

EK_INLINE int8_t level(const int8_t *table, uint32_t word, int32_t code, int32_t bits)
{
    return table[(word >> (bits * code)) & ((UINT32_C(1) << bits) - 1u)];
}

EK_INLINE void decode_codes(const int8_t *table, int32_t count, const uint8_t *w, int8_t *to, int32_t bits)
{
    for (; count > 0; count -= 8) {
        uint32_t word = load_codes(w, bits);
        for (int32_t i = count < 8 ? count : 8; i > 0; --i) {
            *to++ = level(table, word, 0, bits);
            word >>= bits;
        }
        w += bits;
    }
}

void ek_decode_codes(int32_t bits, const int8_t *table, int32_t count, const uint8_t *w, int8_t *to)
{
    if (bits == 4) {
        decode_codes(table, count, w, to, 4);
    } else if (bits == 3) {
        decode_codes(table, count, w, to, 3);
    } else {
        decode_codes(table, count, w, to, 2);
    }
}

/* Inputs 0, 2, 1 and 3 of one channel; their sum. */
EK_INLINE int32_t decode_four(const int8_t *table, uint32_t word, int8_t *to, int32_t bits)
{
    const int8_t first = level(table, word, 0, bits), second = level(table, word, 2, bits);
    const int8_t third = level(table, word, 1, bits), fourth = level(table, word, 3, bits);
    to[0] = first;
    to[1] = second;
    to[2] = third;
    to[3] = fourth;
    return first + second + third + fourth;
}

EK_INLINE void decode_pair(const int8_t *table, int32_t inputs, const uint8_t *w, int8_t *first, int8_t *second,
                           int32_t sums[2], int32_t bits)
{
    int32_t first_sum = 0, second_sum = 0;
    for (; inputs >= 4; inputs -= 4) {
        const uint32_t word = load_codes(w, bits);
        first_sum += decode_four(table, word, first, bits);
        second_sum += decode_four(table, word >> (4 * bits), second, bits);
        w += bits;
        first += 4;
        second += 4;
    }
    if (inputs > 0) {
        const uint32_t word = load_codes(w, bits);
        int8_t last[8];
        decode_four(table, word, last, bits);
        decode_four(table, word >> (4 * bits), last + 4, bits);
        for (int32_t i = 0; i < inputs; ++i) {
            first[i] = last[i];
            second[i] = last[4 + i];
            first_sum += last[i];
            second_sum += last[4 + i];
        }
    }
    sums[0] = first_sum;
    sums[1] = second_sum;
}

void ek_decode_pair(int32_t bits, const int8_t *table, int32_t inputs, const uint8_t *w, int8_t *rows, int32_t sums[2])
{
    if (bits == 4) {
        decode_pair(table, inputs, w, rows, rows + inputs, sums, 4);
    } else if (bits == 3) {
        decode_pair(table, inputs, w, rows, rows + inputs, sums, 3);
    } else {
        decode_pair(table, inputs, w, rows, rows + inputs, sums, 2);
    }
}
