#include "ek_kernels.h"

void ek_dequantize_s8_f32(int32_t elements, float scale, int32_t zero_point, const int8_t *x, float *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        y[i] = (float)(x[i] - zero_point) * scale;
    }
}
