#include "ek_kernels.h"

void ek_flip_sign_8(int32_t elements, const uint8_t *x, uint8_t *y)
{
    int32_t i = 0;
    for (; i + 4 <= elements; i += 4) {
        const uint32_t flipped = ek_load32(x + i) ^ 0x80808080u;
        memcpy(y + i, &flipped, sizeof flipped);
    }
    for (; i < elements; ++i) {
        y[i] = (uint8_t)(x[i] ^ 0x80u);
    }
}
