#include "ek_pool.h"

#define MOST_SUMMED 256 /* codes whose sum fits 16 bits */

typedef struct {
    int32_t sum[4];
} totals;

EK_INLINE void take(totals *all, ek_lane_sums s)
{
    all->sum[0] += (int16_t)(s.even & 0xFFFFu);
    all->sum[1] += (int16_t)(s.odd & 0xFFFFu);
    all->sum[2] += (int16_t)(s.even >> 16);
    all->sum[3] += (int16_t)(s.odd >> 16);
}

static void put_means(const ek_mean_params *p, const totals *all, int8_t *y)
{
    for (int32_t i = 0; i < 4; ++i) {
        y[i] = ek_mean_code(p, all->sum[i] - p->pixels * p->input_zero);
    }
}

/* Channels 0 to 7 from x on, or 0 to 3 where `words` (a constant: 1 or 2) is 1. */
EK_INLINE void means(const ek_mean_params *p, const int8_t *x, int8_t *y, int32_t words)
{
    const int32_t channels = p->channels;
    totals first = {{0, 0, 0, 0}};
    totals second = {{0, 0, 0, 0}};
    for (int32_t left = p->pixels; left > 0; left -= MOST_SUMMED) {
        ek_lane_sums low = {0, 0};
        ek_lane_sums high = {0, 0};
        int32_t pixel = left < MOST_SUMMED ? left : MOST_SUMMED;
        do {
            low = ek_add_codes(low, ek_load32(x));
            high = words > 1 ? ek_add_codes(high, ek_load32(x + 4)) : high;
            x += channels;
        } while (--pixel != 0);
        take(&first, low);
        take(&second, high);
    }
    put_means(p, &first, y);
    if (words > 1) {
        put_means(p, &second, y + 4);
    }
}

/* The last words overlap where channels are no multiple of four. */
void ek_mean_s8_dsp(const ek_mean_params *p, const int8_t *x, int8_t *y)
{
    const int32_t channels = p->channels;
    int32_t c = 0;
    for (; c + 8 <= channels; c += 8) {
        means(p, x + c, y + c, 2);
    }
    for (; c < channels; c += 4) {
        const int32_t from = c + 4 > channels ? channels - 4 : c;
        means(p, x + from, y + from, 1);
    }
}
