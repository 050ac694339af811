#include "ek_integer.h"

void ek_sigmoid_s16(int32_t elements, const ek_lookup_params *p, const int16_t *x, const uint16_t *table, int16_t *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        const int32_t steps = ek_table_steps(p, x[i]);
        const uint32_t magnitude = (uint32_t)(steps < 0 ? -steps : steps);
        uint32_t result = UINT32_C(0x7FFF) << 10;
        if (magnitude >> 9 < 255) {
            const uint32_t low = table[magnitude >> 9];
            result = (low << 9) + (magnitude & 0x1FFu) * (table[(magnitude >> 9) + 1] - low);
        }
        result = steps >= 0 ? result + (1u << 9) : (1u << 25) - result + (1u << 9) - 1u;
        y[i] = (int16_t)(result >> 10);
    }
}
