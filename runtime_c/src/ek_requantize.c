#include "ek_integer.h"

#define REQUANTIZE(name, from, to, low, high)                                                                          \
    void name(int32_t elements, const ek_requantize_params *p, const from *x, to *y)                                   \
    {                                                                                                                  \
        for (int32_t i = 0; i < elements; ++i) {                                                                       \
            const int32_t scaled = ek_rescaled(x[i] - p->input_zero, &p->scale);                                       \
            y[i] = (to)ek_clamp(scaled + p->zero_point, low, high);                                                    \
        }                                                                                                              \
    }

REQUANTIZE(ek_requantize_s8_s16, int8_t, int16_t, -32768, 32767)
REQUANTIZE(ek_requantize_s16_s8, int16_t, int8_t, -128, 127)
REQUANTIZE(ek_requantize_s16_s16, int16_t, int16_t, -32768, 32767)
