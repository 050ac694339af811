#include "ek_pool.h"
#include "ek_vectors.h"

/* Clamping limits, four times each. */
typedef struct {
    uint32_t low, high;
} limits;

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* Channels 0 to 15 of a window from x on; or where `all` (a constant) is 0 the first `count` of them. */
EK_INLINE void max_channels(const ek_pool_part *part, const int8_t *x, int32_t count, limits limit, int8_t *y,
                            int32_t all)
{
    const mve_pred16_t some = vctp8q((uint32_t)count);
    int8x16_t best = vreinterpretq_s8_u32(vdupq_n_u32(limit.low));
    int32_t row = part->rows;
    do {
        int32_t column = part->columns;
        do {
            best = vmaxq_s8(best, all ? vldrbq_s8(x) : vldrbq_z_s8(x, some));
            x += part->step;
        } while (--column != 0);
        x += part->skip;
    } while (--row != 0);
    best = vminq_s8(best, vreinterpretq_s8_u32(vdupq_n_u32(limit.high)));
    if (all) {
        vstrbq_s8(y, best);
    } else {
        vstrbq_p_s8(y, best, some);
    }
}

EK_INLINE void pool_window(const ek_pool_part *p, int32_t channels, limits limit, int8_t *y)
{
    const ek_pool_part part = *p;
    int32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        max_channels(&part, part.first + c, 16, limit, y + c, 1);
    }
    if (c < channels) {
        max_channels(&part, part.first + c, channels - c, limit, y + c, 0);
    }
}

#else

/* Channels 0 to 15 of a window from x on, or 0 to 3 where `words` (a constant: 1 or 4) is 1. */
EK_INLINE void maxima(const ek_pool_part *part, const int8_t *x, limits limit, int8_t *y, int32_t words)
{
    const int32_t step = part->step;
    uint32_t best0 = limit.low, best1 = limit.low, best2 = limit.low, best3 = limit.low;
    int32_t row = part->rows;
    do {
        int32_t column = part->columns;
        do {
            best0 = ek_max_codes(best0, ek_load32(x));
            if (words > 1) {
                best1 = ek_max_codes(best1, ek_load32(x + 4));
                best2 = ek_max_codes(best2, ek_load32(x + 8));
                best3 = ek_max_codes(best3, ek_load32(x + 12));
            }
            x += step;
        } while (--column != 0);
        x += part->skip;
    } while (--row != 0);
    ek_put_word(&y, ek_min_codes(best0, limit.high));
    if (words > 1) {
        ek_put_word(&y, ek_min_codes(best1, limit.high));
        ek_put_word(&y, ek_min_codes(best2, limit.high));
        ek_put_word(&y, ek_min_codes(best3, limit.high));
    }
}

/* The last words overlap where channels are no multiple of four. */
EK_NOINLINE static void pool_window(const ek_pool_part *p, int32_t channels, limits limit, int8_t *y)
{
    const ek_pool_part part = *p;
    int32_t c = 0;
    for (; c + 16 <= channels; c += 16) {
        maxima(&part, part.first + c, limit, y + c, 4);
    }
    for (; c < channels; c += 4) {
        const int32_t from = c + 4 > channels ? channels - 4 : c;
        maxima(&part, part.first + from, limit, y + from, 1);
    }
}

#endif

void ek_max_pool2d_s8_dsp(const ek_pool_params *p, const int8_t *x, int8_t *y)
{
    const ek_window g = p->window;
    const limits limit = {ek_four_codes(p->low), ek_four_codes(p->high)};
    for (int32_t oy = 0; oy < g.out_h; ++oy) {
        const ek_pool_part row = ek_pool_row(&g, x, oy);
        int32_t x0 = -g.pad_left;
        for (int32_t ox = 0; ox < g.out_w; ++ox) {
            const ek_pool_part part = ek_pool_window(&g, row, x0);
            pool_window(&part, g.in_c, limit, y);
            x0 += g.stride_w;
            y += g.in_c;
        }
    }
}
