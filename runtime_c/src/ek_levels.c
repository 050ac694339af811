#include "ek_levels.h"

void ek_decode_levels(const int8_t *codes, int32_t count, int32_t step, const int16_t *levels, int16_t *to)
{
    for (; count > 0; --count) {
        *to++ = levels[(uint8_t)*codes];
        codes += step;
    }
}
