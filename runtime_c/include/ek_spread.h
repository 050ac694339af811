/* What rows of int8 codes have in common that are scaled by how far their codes spread. */
#ifndef EK_SPREAD_H
#define EK_SPREAD_H

#include <stdint.h>

/* spread: width times the sum of squares, less the square of the sum, which is 0 unless `centred`. */
typedef struct {
    int32_t total;
    int64_t spread;
} ek_spread;

static inline ek_spread ek_spread_of(const int8_t *x, int32_t width, int32_t zero, int32_t centred)
{
    ek_spread s = {0, 0};
    int32_t squares = 0;
    for (int32_t k = 0; k < width; ++k) {
        const int32_t code = x[k] - zero;
        s.total += code;
        squares += code * code;
    }
    s.total = centred ? s.total : 0;
    s.spread = (int64_t)width * squares - (int64_t)s.total * s.total;
    return s;
}

static inline int8_t ek_saturated_8(int64_t code)
{
    return (int8_t)(code < -128 ? -128 : (code > 127 ? 127 : code));
}

#endif
