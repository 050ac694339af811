#include "ek_decode.h"

/* The four fields of eight codes as a word. */
static uint32_t load_fields(const uint8_t *w, int32_t bits)
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

void ek_decode_codes(const ek_coding *coding, int32_t count, const uint8_t *w, int8_t *to)
{
    const uint32_t bits = (uint32_t)coding->bits, mask = (UINT32_C(1) << bits) - 1u;
    for (; count > 0; count -= 8) {
        uint32_t word = load_fields(w, coding->bits);
        for (int32_t i = count < 8 ? count : 8; i > 0; --i) {
            *to++ = coding->levels[word & mask];
            word >>= bits;
        }
        w += bits;
    }
}

/* Inputs 0, 2, 1 and 3 of one channel, up to `count` of them; their sum. */
static int32_t decode_four(const ek_coding *coding, uint32_t word, int32_t count, int8_t *to)
{
    const uint32_t bits = (uint32_t)coding->bits, mask = (UINT32_C(1) << bits) - 1u;
    const int8_t *levels = coding->levels;
    const int8_t four[4] = {levels[word & mask], levels[(word >> (2 * bits)) & mask], levels[(word >> bits) & mask],
                            levels[(word >> (3 * bits)) & mask]};
    int32_t sum = 0;
    for (int32_t i = 0; i < count; ++i) {
        to[i] = four[i];
        sum += four[i];
    }
    return sum;
}

void ek_decode_pair(const ek_coding *coding, int32_t inputs, const uint8_t *w, int8_t *first, int8_t *second,
                    int32_t sums[2])
{
    sums[0] = 0;
    sums[1] = 0;
    for (int32_t i = 0; i < inputs; i += 4) {
        const int32_t count = inputs - i < 4 ? inputs - i : 4;
        const uint32_t word = load_fields(w, coding->bits);
        sums[0] += decode_four(coding, word, count, first + i);
        sums[1] += decode_four(coding, word >> (4 * coding->bits), count, second + i);
        w += coding->bits;
    }
}
