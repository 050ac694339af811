#include "ek_pool.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include "ek_vectors.h"

/* Eight means of sums: those in even lanes, then those in odd ones. */
static inline int16x8_t means(int16x8_t sums, int32x4_t multiplier, int32_t bias, ek_vector_range range)
{
    const int32x4_t even = vaddq_n_s32(vmulhq_s32(vshllbq_n_s16(sums, 16), multiplier), bias);
    const int32x4_t odd = vaddq_n_s32(vmulhq_s32(vshlltq_n_s16(sums, 16), multiplier), bias);
    return vmovntq_s32(vreinterpretq_s16_s32(ek_vector_codes(even, range)), ek_vector_codes(odd, range));
}

EK_NOINLINE static void pool_window(const ek_pool_part *p, int32_t channels, const ek_divisor *by,
                                    const ek_code_range *codes, int8_t *y)
{
    const ek_pool_part part = *p;
    const ek_vector_range range = ek_vector_range_of(*codes, 0);
    const int32x4_t multiplier = vdupq_n_s32(by->multiplier);
    const int32_t bias = by->bias;
    for (int32_t c = 0; c < channels; c += 16) {
        const mve_pred16_t some = vctp16q((uint32_t)(channels - c));
        const mve_pred16_t more = channels - c > 8 ? vctp16q((uint32_t)(channels - c - 8)) : 0;
        const int8_t *x = part.first + c;
        int16x8_t first = vdupq_n_s16(0), second = first;
        for (int32_t row = part.rows; row > 0; --row) {
            for (int32_t column = part.columns; column > 0; --column) {
                first = vaddq_s16(first, vldrbq_z_s16(x, some));
                second = vaddq_s16(second, vldrbq_z_s16(x + 8, more));
                x += part.step;
            }
            x += part.skip;
        }
        vstrbq_p_s16(y + c, means(first, multiplier, bias, range), some);
        vstrbq_p_s16(y + c + 8, means(second, multiplier, bias, range), more);
    }
}

#else

EK_INLINE uint32_t means(ek_lane_sums s, const ek_divisor *by, ek_code_range range)
{
    return ek_codes_of(ek_smlawb(by->multiplier, s.even, by->bias), ek_smlawb(by->multiplier, s.odd, by->bias),
                       ek_smlawt(by->multiplier, s.even, by->bias), ek_smlawt(by->multiplier, s.odd, by->bias), range,
                       1);
}

/* Channels 0 to 15 of a window from x on, or 0 to 3 where `words` (a constant: 1 or 4) is 1. */
EK_INLINE void mean_words(const ek_pool_part *part, const int8_t *x, const ek_divisor *by, ek_code_range range,
                          int8_t *y, int32_t words)
{
    const int32_t step = part->step;
    ek_lane_sums s0 = {0, 0}, s1 = {0, 0}, s2 = {0, 0}, s3 = {0, 0};
    int32_t row = part->rows;
    do {
        int32_t column = part->columns;
        do {
            s0 = ek_add_codes(s0, ek_load32(x));
            if (words > 1) {
                s1 = ek_add_codes(s1, ek_load32(x + 4));
                s2 = ek_add_codes(s2, ek_load32(x + 8));
                s3 = ek_add_codes(s3, ek_load32(x + 12));
            }
            x += step;
        } while (--column != 0);
        x += part->skip;
    } while (--row != 0);
    ek_put_word(&y, means(s0, by, range));
    if (words > 1) {
        ek_put_word(&y, means(s1, by, range));
        ek_put_word(&y, means(s2, by, range));
        ek_put_word(&y, means(s3, by, range));
    }
}

/* The last words overlap where channels are no multiple of four. */
EK_NOINLINE static void pool_window(const ek_pool_part *p, int32_t channels, const ek_divisor *divisor,
                                    const ek_code_range *codes, int8_t *y)
{
    const ek_pool_part part = *p;
    const ek_divisor by = *divisor;
    const ek_code_range range = *codes;
    int32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        mean_words(&part, part.first + c, &by, range, y + c, 4);
    }
    for (; c < channels; c += 4) {
        const int32_t from = c + 4 > channels ? channels - 4 : c;
        mean_words(&part, part.first + from, &by, range, y + from, 1);
    }
}

#endif

/* A window of one or two pixels is read four times: its multiplier would not fit a word. */
static void read_four_times(ek_pool_part *part)
{
    if (part->columns == 1) {
        part->skip += part->step;
        part->step = 0;
        part->columns = 4;
    } else {
        part->rows = 4;
        part->skip = -2 * part->step;
    }
}

void ek_avg_pool2d_s8_dsp(const ek_mean_pool_params *p, const int8_t *x, const ek_divisor *divisors, int8_t *y)
{
    const ek_window g = p->window;
    for (int32_t oy = 0; oy < g.out_h; ++oy) {
        const ek_pool_part row = ek_pool_row(&g, x, oy);
        int32_t x0 = -g.pad_left;
        for (int32_t ox = 0; ox < g.out_w; ++ox) {
            ek_pool_part part = ek_pool_window(&g, row, x0);
            const int32_t count = part.rows * part.columns;
            const ek_divisor *by = divisors;
            while (by->count != count) {
                ++by;
            }
            if (count < 3) {
                read_four_times(&part);
            }
            pool_window(&part, g.in_c, by, &p->range, y);
            x0 += g.stride_w;
            y += g.in_c;
        }
    }
}
