#include "ek_float.h"

#define MATMUL(s, type, wide)                                                                                          \
    void ek_matmul_##s(const ek_matmul_params *p, const type *a, const type *b, type *y)                               \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK + 1] = {0};                                                                          \
        do {                                                                                                           \
            const type *am = a + ek_row_offset(p->batch.rank + 1, index, p->batch.a);                                  \
            const type *bm = b + ek_row_offset(p->batch.rank + 1, index, p->batch.b);                                  \
            for (int32_t row = 0; row < p->m; ++row) {                                                                 \
                for (int32_t column = 0; column < p->n; ++column) {                                                    \
                    const type *ap = am + (ptrdiff_t)row * p->a_row;                                                   \
                    const type *bp = bm + (ptrdiff_t)column * p->b_column;                                             \
                    wide acc = 0;                                                                                      \
                    for (int32_t k = 0; k < p->k; ++k) {                                                               \
                        acc += (wide) * ap * (wide) * bp;                                                              \
                        ap += p->a_column;                                                                             \
                        bp += p->b_row;                                                                                \
                    }                                                                                                  \
                    *y++ = (type)acc;                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        } while (ek_next_row(p->batch.rank + 1, p->batch.shape, index));                                               \
    }
#define INTEGERS(s, type, unused) MATMUL(s, type, uint64_t)

MATMUL(f32, float, float)
MATMUL(f64, double, double)
EK_INTEGER_TYPES(INTEGERS)
