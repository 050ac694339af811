#include "ek_kernels.h"

/* Saturate before the conversion, at `limit`: larger magnitudes do not fit an int32. NaN has the code of 0. */
#define QUANTIZE(name, type, limit, low, high)                                                                         \
    void name(int32_t elements, float scale, int32_t zero_point, const float *x, type *y)                              \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            const float scaled = ek_between(x[i] / scale, -limit, limit);                                              \
            const int32_t rounded = scaled == scaled ? (int32_t)(scaled + (scaled < 0.0f ? -0.5f : 0.5f)) : 0;         \
            y[i] = (type)ek_clamp(rounded + zero_point, low, high);                                                    \
        }                                                                                                              \
    }

QUANTIZE(ek_quantize_f32_s8, int8_t, 1024.0f, -128, 127)
QUANTIZE(ek_quantize_f32_s16, int16_t, 131072.0f, -32768, 32767)
