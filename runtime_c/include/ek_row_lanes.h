/* A row of int8 inputs as 16-bit lanes, for kernels that read every weight once. */
#ifndef EK_ROW_LANES_H
#define EK_ROW_LANES_H

#include "ek_simd.h"

/* One row of inputs minus their zero point as 16-bit lanes, padded with zeros. */
static inline void ek_widen_row(const int8_t *x, int32_t inputs, int32_t zero, uint32_t *lanes)
{
    const uint32_t minus_zero = ek_pair(-zero, -zero);
    for (; inputs >= 4; inputs -= 4) {
        const uint32_t codes = ek_load32(x);
        lanes[0] = ek_sxtab16(minus_zero, codes);
        lanes[1] = ek_sxtab16_odd(minus_zero, codes);
        x += 4;
        lanes += 2;
    }
    if (inputs > 0) {
        int32_t last[4] = {0, 0, 0, 0};
        for (int32_t i = 0; i < inputs; ++i) {
            last[i] = x[i] - zero;
        }
        lanes[0] = ek_pair(last[0], last[2]);
        lanes[1] = ek_pair(last[1], last[3]);
    }
}

#endif
