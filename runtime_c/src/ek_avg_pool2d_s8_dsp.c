#include "ek_pool.h"
#include "ek_vectors.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* Eight means of sums, of those in even and in odd lanes, in steps of a code. */
static inline int16x8_t means(int16x8_t sums, int32x4_t multiplier, int32_t bias, int16x8_t least, int16x8_t most)
{
    const int32x4_t even = vaddq_n_s32(vmulhq_s32(vshllbq_n_s16(sums, 16), multiplier), bias);
    const int32x4_t odd = vaddq_n_s32(vmulhq_s32(vshlltq_n_s16(sums, 16), multiplier), bias);
    return vminq_s16(vmaxq_s16(vshrntq_n_s32(vshrnbq_n_s32(sums, even, 16), odd, 16), least), most);
}

/* Channels 0 to 15 of a window from x on; or where `all` (a constant) is 0 the first `count` of them. */
EK_INLINE void mean_channels(const ek_pool_part *part, const int8_t *x, int32_t count, const ek_divisor *by,
                             ek_code_range range, int8_t *y, int32_t all)
{
    const mve_pred16_t some = vctp16q((uint32_t)count), more = vctp16q((uint32_t)(count > 8 ? count - 8 : 0));
    const int32_t offset = ek_range_offset(range);
    const int16x8_t least = vdupq_n_s16(0), most = vdupq_n_s16((int16_t)ek_range_most(range));
    const int32x4_t multiplier = vdupq_n_s32(by->multiplier);
    int16x8_t first = vdupq_n_s16(0), second = first;
    int32_t row = part->rows;
    do {
        int32_t column = part->columns;
        do {
            first = vaddq_s16(first, all ? vldrbq_s16(x) : vldrbq_z_s16(x, some));
            second = vaddq_s16(second, all ? vldrbq_s16(x + 8) : vldrbq_z_s16(x + 8, more));
            x += part->step;
        } while (--column != 0);
        x += part->skip;
    } while (--row != 0);
    first = vaddq_n_s16(means(first, multiplier, by->bias, least, most), (int16_t)offset);
    second = vaddq_n_s16(means(second, multiplier, by->bias, least, most), (int16_t)offset);
    if (all) {
        vstrbq_s16(y, first);
        vstrbq_s16(y + 8, second);
    } else {
        vstrbq_p_s16(y, first, some);
        vstrbq_p_s16(y + 8, second, more);
    }
}

EK_INLINE void pool_window(const ek_pool_part *p, int32_t channels, const ek_divisor *divisor,
                           const ek_code_range *codes, int8_t *y)
{
    const ek_pool_part part = *p;
    const ek_divisor by = *divisor;
    const ek_code_range range = *codes;
    int32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        mean_channels(&part, part.first + c, 16, &by, range, y + c, 1);
    }
    if (c < channels) {
        mean_channels(&part, part.first + c, channels - c, &by, range, y + c, 0);
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
