#include "ek_index.h"

#define DET(s, type)                                                                                                   \
    static inline type magnitude_##s(type x)                                                                           \
    {                                                                                                                  \
        return x < (type)0 ? -x : x;                                                                                   \
    }                                                                                                                  \
    static type eliminate_##s(int32_t n, type *m)                                                                      \
    {                                                                                                                  \
        type det = (type)1;                                                                                            \
        for (int32_t c = 0; c < n; ++c) {                                                                              \
            int32_t pivot = c;                                                                                         \
            for (int32_t r = c + 1; r < n; ++r) {                                                                      \
                pivot = magnitude_##s(m[r * n + c]) > magnitude_##s(m[pivot * n + c]) ? r : pivot;                     \
            }                                                                                                          \
            if (m[pivot * n + c] == (type)0) {                                                                         \
                return (type)0;                                                                                        \
            }                                                                                                          \
            for (int32_t k = c; pivot != c && k < n; ++k) {                                                            \
                const type swapped = m[c * n + k];                                                                     \
                m[c * n + k] = m[pivot * n + k];                                                                       \
                m[pivot * n + k] = swapped;                                                                            \
            }                                                                                                          \
            det = (pivot != c ? -det : det) * m[c * n + c];                                                            \
            for (int32_t r = c + 1; r < n; ++r) {                                                                      \
                const type factor = m[r * n + c] / m[c * n + c];                                                       \
                for (int32_t k = c + 1; k < n; ++k) {                                                                  \
                    m[r * n + k] -= factor * m[c * n + k];                                                             \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        return det;                                                                                                    \
    }                                                                                                                  \
    void ek_det_##s(int32_t count, int32_t n, const type *x, type *y, void *scratch)                                   \
    {                                                                                                                  \
        for (; count > 0; --count) {                                                                                   \
            memcpy(scratch, x, (size_t)n * (size_t)n * sizeof *x);                                                     \
            *y++ = eliminate_##s(n, scratch);                                                                          \
            x += n * n;                                                                                                \
        }                                                                                                              \
    }

DET(f32, float)
DET(f64, double)
