#include "ek_integer.h"

void ek_tanh_s16(int32_t elements, const ek_lookup_params *p, const int16_t *x, const uint16_t *table, int16_t *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        const int32_t steps = ek_table_steps(p, x[i]);
        const int32_t magnitude = steps < 0 ? -steps : steps;
        int32_t result = 0xFFFF << 8;
        if (magnitude >> 8 < 255) {
            const int32_t low = table[magnitude >> 8];
            result = low * 256 + (magnitude & 0xFF) * (table[(magnitude >> 8) + 1] - low);
        }
        result = steps >= 0 ? result - (1 << 23) + (1 << 7) : -result + (1 << 23) + (1 << 7) - 1;
        y[i] = (int16_t)(result >> 8);
    }
}
