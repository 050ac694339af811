#include "ek_pool2d.h"

static int32_t rounded_mean(int32_t sum, int32_t count, int32_t half_up)
{
    if (half_up) {
        return (sum + 128 * count + count / 2) / count - 128;
    }
    return (sum >= 0 ? sum + count / 2 : sum - count / 2) / count;
}

#define MEAN rounded_mean(acc, count, p->half_up)

EK_POOL2D(ek_avg_pool2d_s8, int8_t, 0, acc + v, MEAN)
EK_POOL2D(ek_avg_pool2d_s16, int16_t, 0, acc + v, MEAN)
