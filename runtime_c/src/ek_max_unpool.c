#include "ek_spatial.h"

#define MAX_UNPOOL(bits)                                                                                               \
    void ek_max_unpool_##bits(int32_t count, int32_t size, const uint##bits##_t *x, const int64_t *positions,          \
                              uint##bits##_t *y)                                                                       \
    {                                                                                                                  \
        for (int32_t i = 0; i < size; ++i) {                                                                           \
            y[i] = 0;                                                                                                  \
        }                                                                                                              \
        for (int32_t i = 0; i < count; ++i) {                                                                          \
            if (positions[i] >= 0 && positions[i] < size) {                                                            \
                y[positions[i]] = x[i];                                                                                \
            }                                                                                                          \
        }                                                                                                              \
    }

MAX_UNPOOL(8)
MAX_UNPOOL(32)
MAX_UNPOOL(64)
