/* Four int8 codes in a word, and their results in steps of 1/65536 of a code: one instruction each on Cortex-M4, M7 and
 * M33, plain C with the same bits elsewhere. */
#ifndef EK_LANES_H
#define EK_LANES_H

#include "ek_requantize.h"

/* The `count` codes at x, at most four, as a word. */
static inline uint32_t ek_gather_codes(const int8_t *x, int32_t count)
{
    uint32_t word = 0;
    while (count > 0) {
        word = (word << 8) | (uint8_t)x[--count];
    }
    return word;
}

/* The first `count` codes of a word to y. */
static inline void ek_scatter_codes(uint32_t word, int8_t *y, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        y[i] = (int8_t)(word & 0xFFu);
        word >>= 8;
    }
}

/* One code in all four places. */
static inline uint32_t ek_four_codes(int32_t code)
{
    return ((uint32_t)code & 0xFFu) * 0x01010101u;
}

/* Codes 0 and 2 times 256, as two signed lanes. */
static inline uint32_t ek_even_codes(uint32_t word)
{
    return (word << 8) & 0xFF00FF00u;
}

/* Codes 1 and 3 times 256, as two signed lanes. */
static inline uint32_t ek_odd_codes(uint32_t word)
{
    return word & 0xFF00FF00u;
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* The word at *p, of any alignment; *p moves on. Spelled out because compilers rarely keep to post-increments. */
static inline uint32_t ek_next_word(const int8_t **p)
{
    uint32_t word;
    __asm__ volatile("ldr %0, [%1], #4" : "=r"(word), "+r"(*p) : : "memory");
    return word;
}

/* A word to *y, of any alignment; *y moves on. */
static inline void ek_put_word(int8_t **y, uint32_t word)
{
    __asm__ volatile("str %1, [%0], #4" : "+r"(*y) : "r"(word) : "memory");
}

/* acc + (wide * lanes.low >> 16) */
static inline int32_t ek_smlawb(int32_t wide, uint32_t lanes, int32_t acc)
{
    int32_t sum;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(sum) : "r"(wide), "r"(lanes), "r"(acc));
    return sum;
}

/* acc + (wide * lanes.high >> 16) */
static inline int32_t ek_smlawt(int32_t wide, uint32_t lanes, int32_t acc)
{
    int32_t sum;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(sum) : "r"(wide), "r"(lanes), "r"(acc));
    return sum;
}

/* wide * lanes.low >> 16 */
static inline int32_t ek_smulwb(int32_t wide, uint32_t lanes)
{
    int32_t product;
    __asm__("smulwb %0, %1, %2" : "=r"(product) : "r"(wide), "r"(lanes));
    return product;
}

/* wide * lanes.high >> 16 */
static inline int32_t ek_smulwt(int32_t wide, uint32_t lanes)
{
    int32_t product;
    __asm__("smulwt %0, %1, %2" : "=r"(product) : "r"(wide), "r"(lanes));
    return product;
}

/* Upper halves: low's below, high's above. */
static inline uint32_t ek_upper_halves(int32_t low, int32_t high)
{
    uint32_t lanes;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(lanes) : "r"(high), "r"(low));
    return lanes;
}

/* Both signed lanes clamped to [0, 255]. */
static inline uint32_t ek_usat16(uint32_t lanes)
{
    uint32_t clamped;
    __asm__("usat16 %0, #8, %1" : "=r"(clamped) : "r"(lanes));
    return clamped;
}

/* The upper halves of a pair, each raised by `step` first where it is not negative. */
static inline uint32_t ek_raised_halves(int32_t low, int32_t high, int32_t step)
{
    uint32_t lanes;
    __asm__("bic %0, %3, %1, asr #31\n\t"
            "add %1, %1, %0\n\t"
            "bic %0, %3, %2, asr #31\n\t"
            "add %0, %0, %2\n\t"
            "pkhtb %0, %0, %1, asr #16"
            : "=&r"(lanes), "+r"(low)
            : "r"(high), "r"(step));
    return lanes;
}

/* a + b of two signed lanes, saturated. */
static inline uint32_t ek_qadd16(uint32_t a, uint32_t b)
{
    uint32_t lanes;
    __asm__("qadd16 %0, %1, %2" : "=r"(lanes) : "r"(a), "r"(b));
    return lanes;
}

/* (a - b) / 2 of two signed lanes. */
static inline uint32_t ek_shsub16(uint32_t a, uint32_t b)
{
    uint32_t lanes;
    __asm__("shsub16 %0, %1, %2" : "=r"(lanes) : "r"(a), "r"(b));
    return lanes;
}

/* Four unsigned sums, at most 255. */
static inline uint32_t ek_uqadd8(uint32_t a, uint32_t b)
{
    uint32_t sum;
    __asm__("uqadd8 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* Four sums modulo 256. */
static inline uint32_t ek_uadd8(uint32_t a, uint32_t b)
{
    uint32_t sum;
    __asm__("uadd8 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
}

/* The larger of four pairs of signed codes. */
static inline uint32_t ek_max_codes(uint32_t a, uint32_t b)
{
    uint32_t difference;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %0, %2" : "+r"(a), "=&r"(difference) : "r"(b) : "cc");
    return a;
}

/* The smaller of four pairs of signed codes. */
static inline uint32_t ek_min_codes(uint32_t a, uint32_t b)
{
    uint32_t difference;
    __asm__("ssub8 %1, %0, %2\n\tsel %0, %2, %0" : "+r"(a), "=&r"(difference) : "r"(b) : "cc");
    return a;
}

/* (acc * 2^32 + a * b + 2^31) >> 32, modulo 2^32 */
static inline uint32_t ek_smmlar(int32_t a, int32_t b, uint32_t acc)
{
    uint32_t sum;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
}

#else

static inline uint32_t ek_next_word(const int8_t **p)
{
    const uint32_t word = ek_load32(*p);
    *p += 4;
    return word;
}

static inline void ek_put_word(int8_t **y, uint32_t word)
{
    memcpy(*y, &word, sizeof word);
    *y += 4;
}

static inline int32_t ek_smulwb(int32_t wide, uint32_t lanes)
{
    return (int32_t)(((int64_t)wide * ek_low(lanes)) >> 16);
}

static inline int32_t ek_smulwt(int32_t wide, uint32_t lanes)
{
    return (int32_t)(((int64_t)wide * ek_high(lanes)) >> 16);
}

static inline int32_t ek_smlawb(int32_t wide, uint32_t lanes, int32_t acc)
{
    return acc + ek_smulwb(wide, lanes);
}

static inline int32_t ek_smlawt(int32_t wide, uint32_t lanes, int32_t acc)
{
    return acc + ek_smulwt(wide, lanes);
}

static inline uint32_t ek_upper_halves(int32_t low, int32_t high)
{
    return ((uint32_t)low >> 16) | ((uint32_t)high & 0xFFFF0000u);
}

static inline uint32_t ek_usat16(uint32_t lanes)
{
    return ek_pair(ek_clamp(ek_low(lanes), 0, 255), ek_clamp(ek_high(lanes), 0, 255));
}

static inline uint32_t ek_raised_halves(int32_t low, int32_t high, int32_t step)
{
    return ek_upper_halves(low < 0 ? low : low + step, high < 0 ? high : high + step);
}

static inline uint32_t ek_qadd16(uint32_t a, uint32_t b)
{
    return ek_pair(ek_clamp(ek_low(a) + ek_low(b), -32768, 32767), ek_clamp(ek_high(a) + ek_high(b), -32768, 32767));
}

static inline uint32_t ek_shsub16(uint32_t a, uint32_t b)
{
    return ek_pair((ek_low(a) - ek_low(b)) >> 1, (ek_high(a) - ek_high(b)) >> 1);
}

static inline uint32_t ek_uqadd8(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;
    for (uint32_t shift = 0; shift < 32u; shift += 8u) {
        const uint32_t one = ((a >> shift) & 0xFFu) + ((b >> shift) & 0xFFu);
        sum |= (one > 255u ? 255u : one) << shift;
    }
    return sum;
}

static inline uint32_t ek_uadd8(uint32_t a, uint32_t b)
{
    return ((a & 0x7F7F7F7Fu) + (b & 0x7F7F7F7Fu)) ^ ((a ^ b) & 0x80808080u);
}

/* The larger of four pairs of signed codes, or the smaller. */
static inline uint32_t ek_select_codes(uint32_t a, uint32_t b, int32_t larger)
{
    uint32_t chosen = 0;
    for (uint32_t shift = 0; shift < 32u; shift += 8u) {
        const int32_t first = (int8_t)((a >> shift) & 0xFFu);
        const int32_t second = (int8_t)((b >> shift) & 0xFFu);
        const int32_t code = (first >= second) == larger ? first : second;
        chosen |= ((uint32_t)code & 0xFFu) << shift;
    }
    return chosen;
}

static inline uint32_t ek_max_codes(uint32_t a, uint32_t b)
{
    return ek_select_codes(a, b, 1);
}

static inline uint32_t ek_min_codes(uint32_t a, uint32_t b)
{
    return ek_select_codes(a, b, 0);
}

static inline uint32_t ek_smmlar(int32_t a, int32_t b, uint32_t acc)
{
    const uint64_t product = (uint64_t)((int64_t)a * b) + UINT64_C(0x80000000);
    return acc + (uint32_t)(product >> 32);
}

#endif

/* Sums of four codes in 16 bits each: places 0 and 2, 1 and 3. */
typedef struct {
    uint32_t even, odd;
} ek_lane_sums;

EK_INLINE ek_lane_sums ek_add_codes(ek_lane_sums s, uint32_t codes)
{
    const ek_lane_sums total = {ek_sxtab16(s.even, codes), ek_sxtab16_odd(s.odd, codes)};
    return total;
}

/* Where results go, that count from the lowest code: `above` is 255 minus the largest of them, and `offset` the lowest
 * code minus that; both four times. */
typedef struct {
    uint32_t above, offset;
} ek_code_range;

/* Four results, counted from the lowest code and at most 255 (places 0 and 2 of the word in `even`), as codes. Kernels
 * pass `clamps` as a constant: 0 where the range is all codes. */
EK_INLINE uint32_t ek_joined_codes(uint32_t even, uint32_t odd, ek_code_range range, int32_t clamps)
{
    const uint32_t word = even | (odd << 8);
    return clamps ? ek_uadd8(ek_uqadd8(word, range.above), range.offset) : word ^ 0x80808080u;
}

/* Four results in steps of 1/65536 of a code, rounded down and clamped. */
EK_INLINE uint32_t ek_codes_of(int32_t even0, int32_t odd0, int32_t even1, int32_t odd1, ek_code_range range,
                               int32_t clamps)
{
    return ek_joined_codes(ek_usat16(ek_upper_halves(even0, even1)), ek_usat16(ek_upper_halves(odd0, odd1)), range,
                           clamps);
}

#endif
