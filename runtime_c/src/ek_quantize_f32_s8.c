#include "ek_kernels.h"

void ek_quantize_f32_s8(int32_t elements, float scale, int32_t zero_point, const float *x, int8_t *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        float scaled = x[i] / scale;
        /* Saturate before the conversion: larger magnitudes do not fit an int32. */
        scaled = scaled > 1024.0f ? 1024.0f : (scaled < -1024.0f ? -1024.0f : scaled);
        const int32_t rounded = (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));
        y[i] = (int8_t)ek_clamp(rounded + zero_point, -128, 127);
    }
}
