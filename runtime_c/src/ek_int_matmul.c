#include "ek_integer.h"

/* `finish` of the accumulator acc gives the code. */
#define MATMUL(name, type, wide, low, high, finish)                                                                    \
    void name(const ek_int_matmul_params *p, const type *a, const type *b, type *y)                                    \
    {                                                                                                                  \
        const ek_matmul_params *w = &p->walk;                                                                          \
        int32_t index[EK_MAX_RANK + 1] = {0};                                                                          \
        do {                                                                                                           \
            const type *am = a + ek_row_offset(w->batch.rank + 1, index, w->batch.a);                                  \
            const type *bm = b + ek_row_offset(w->batch.rank + 1, index, w->batch.b);                                  \
            for (int32_t row = 0; row < w->m; ++row) {                                                                 \
                for (int32_t column = 0; column < w->n; ++column) {                                                    \
                    const type *ap = am + (ptrdiff_t)row * w->a_row;                                                   \
                    const type *bp = bm + (ptrdiff_t)column * w->b_column;                                             \
                    wide acc = 0;                                                                                      \
                    for (int32_t k = 0; k < w->k; ++k) {                                                               \
                        acc += (*ap - p->a_zero) * (*bp - p->b_zero);                                                  \
                        ap += w->a_column;                                                                             \
                        bp += w->b_row;                                                                                \
                    }                                                                                                  \
                    y[column] = (type)ek_clamp((finish) + p->zero_point, low, high);                                   \
                }                                                                                                      \
                y += p->y_row;                                                                                         \
            }                                                                                                          \
        } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));                                               \
    }

MATMUL(ek_int_matmul_s8, int8_t, int32_t, -128, 127, ek_rescaled(acc, &p->scale))
MATMUL(ek_int_matmul_s16, int16_t, int64_t, -32768, 32767, ek_rescaled_64(acc, p->multiplier, p->shift))
