#include "ek_fixed_point.h"
#include "ek_kernels.h"

/* Signed codes to codes counted from the least, and back. */
#define FLIP 0x80808080u

/* Out of line: it would cost every row of more what it prepares. */
__attribute__((noinline)) static int32_t largest_of_few(const int8_t *x, int32_t width)
{
    int32_t best = *x;
    for (int32_t i = 1; i < width; ++i) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

static int32_t largest(const int8_t *x, int32_t width)
{
    if (width < 4) {
        return largest_of_few(x, width);
    }
    /* The last word goes back over codes that were compared already. */
    uint32_t four = ek_load32(x + width - 4);
    for (const int8_t *const words = x + (width & ~3); x != words;) {
        four = ek_max_codes(four, ek_next_word(&x));
    }
    four = ek_max_codes(four, (four << 16) | (four >> 16));
    four = ek_max_codes(four, four >> 8);
    return (int8_t)(four & 0xFFu);
}

/* The sum of all exponentials / 2^12, each rounded. */
static uint32_t total(const int8_t *x, int32_t width, const int32_t *exponential)
{
    const int8_t *const end = x + width;
    uint32_t sum = (uint32_t)width << 18; /* what entries are short of, as below */
    for (const int8_t *const words = x + (width & ~3); x != words;) {
        const uint32_t codes = ek_next_word(&x) ^ FLIP;
        sum = ek_smmlar(exponential[codes & 0xFFu], 1 << 19, sum);
        sum = ek_smmlar(exponential[(codes >> 8) & 0xFFu], 1 << 19, sum);
        sum = ek_smmlar(exponential[(codes >> 16) & 0xFFu], 1 << 19, sum);
        sum = ek_smmlar(exponential[codes >> 24], 1 << 19, sum);
    }
    for (; x != end; ++x) {
        sum = ek_smmlar(exponential[*x + 128], 1 << 19, sum);
    }
    return sum;
}

/* (scale * exponential / 2^31, rounded, + half) >> shift. Entries are twice an exponential less 2^31, so that they fit
 * a signed word; `half` holds what that takes away. An odd scale has its last bit's share of it in there as well. */
EK_INLINE uint32_t share(int32_t scale, int32_t entry, uint32_t half, uint32_t shift, int32_t odd)
{
    return (odd ? half + (uint32_t)ek_smmul(scale, entry) : ek_smmlar(scale, entry, half)) >> shift;
}

EK_INLINE void shares(const int8_t *x, int32_t width, const int32_t *exponential, int32_t scale, uint32_t half,
                      uint32_t shift, int8_t *y, int32_t odd)
{
    const int8_t *const end = x + width;
    for (const int8_t *const words = x + (width & ~3); x != words;) {
        const uint32_t codes = ek_next_word(&x) ^ FLIP;
        uint32_t even = share(scale, exponential[codes & 0xFFu], half, shift, odd);
        even |= share(scale, exponential[(codes >> 16) & 0xFFu], half, shift, odd) << 16;
        uint32_t other = share(scale, exponential[(codes >> 8) & 0xFFu], half, shift, odd);
        other |= share(scale, exponential[codes >> 24], half, shift, odd) << 16;
        ek_put_word(&y, (ek_usat16(even) | (ek_usat16(other) << 8)) ^ FLIP);
    }
    for (; x != end; ++x, ++y) {
        const uint32_t one = share(scale, exponential[*x + 128], half, shift, odd);
        *y = (int8_t)(ek_usat16(one) ^ 0x80u);
    }
}

/* Shares of a row; `entry` as below. */
static void scaled_row(const int8_t *x, int32_t width, const int32_t *entry, int32_t scale, uint32_t shift, int8_t *y)
{
    const uint32_t half = ((uint32_t)scale >> 1) + (UINT32_C(1) << (shift - 1u));
    if (scale & 1) {
        shares(x, width, entry, scale, half + 1u, shift, y, 1);
    } else {
        shares(x, width, entry, scale, half, shift, y, 0);
    }
}

/* `entry` begins 127 - the largest code behind the table's start: a code counted from the least leads to its own
 * difference. */
static void softmax_row(const int8_t *x, int32_t width, const int32_t *entry, int8_t *y)
{
    const uint32_t sum = total(x, width, entry);
    const int32_t headroom = ek_leading_zeros(sum);
    const int32_t scale = ek_one_over_one_plus((int32_t)((sum << headroom) - (UINT32_C(1) << 31)));
    const uint32_t shift = (uint32_t)(12 - headroom + 31 - 8);
    if (shift > 31u) {
        memset(y, -128, (size_t)width); /* more than 511 equal codes: every share is below half a step */
        return;
    }
    scaled_row(x, width, entry, scale, shift, y);
}

void ek_softmax_s8_dsp(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        softmax_row(x, width, exponentials + 127 - largest(x, width), y);
        x += width;
        y += width;
    }
}

void ek_softmax_s8_dsp_power(int32_t rows, int32_t width, const int8_t *x, const int32_t *exponentials, int8_t *y)
{
    for (; rows > 0; --rows) {
        const int32_t *const entry = exponentials + 127 - largest(x, width);
        scaled_row(x, width, entry + 256, ek_power_of_sum(total(x, width, entry), exponentials + 512), 31 - 8, y);
        x += width;
        y += width;
    }
}
