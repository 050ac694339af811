#include "ek_kernels.h"

void ek_table_8(int32_t elements, const uint8_t *x, const uint8_t *table, uint8_t *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        y[i] = table[x[i]];
    }
}
