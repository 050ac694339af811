#include "ek_kernels.h"

#define DEQUANTIZE(name, type)                                                                                         \
    void name(int32_t elements, float scale, int32_t zero_point, const type *x, float *y)                              \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            y[i] = (float)(x[i] - zero_point) * scale;                                                                 \
        }                                                                                                              \
    }

DEQUANTIZE(ek_dequantize_s8_f32, int8_t)
DEQUANTIZE(ek_dequantize_s16_f32, int16_t)
