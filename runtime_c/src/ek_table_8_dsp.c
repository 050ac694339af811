#include "ek_kernels.h"

void ek_table_8_dsp(int32_t elements, const uint8_t *x, const uint8_t *table, uint8_t *y)
{
    const int8_t *codes = (const int8_t *)x;
    int8_t *results = (int8_t *)y;
    for (const int8_t *const end = results + (elements & ~3); results != end;) {
        const uint32_t four = ek_next_word(&codes);
        const uint32_t even = table[four & 0xFFu] | ((uint32_t)table[(four >> 16) & 0xFFu] << 16);
        const uint32_t odd = table[(four >> 8) & 0xFFu] | ((uint32_t)table[four >> 24] << 16);
        ek_put_word(&results, even | (odd << 8));
    }
    for (int32_t i = elements & ~3; i < elements; ++i) {
        y[i] = table[x[i]];
    }
}
