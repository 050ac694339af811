#include "ek_integer.h"

void ek_int_matmul_s16(const ek_int_matmul_params *p, const int16_t *a, const int16_t *b, int16_t *y)
{
    const ek_matmul_params *w = &p->walk;
    int32_t index[EK_MAX_RANK + 1] = {0};
    do {
        const int16_t *am = a + ek_row_offset(w->batch.rank + 1, index, w->batch.a);
        const int16_t *bm = b + ek_row_offset(w->batch.rank + 1, index, w->batch.b);
        for (int32_t row = 0; row < w->m; ++row) {
            for (int32_t column = 0; column < w->n; ++column) {
                const int16_t *ap = am + (ptrdiff_t)row * w->a_row;
                const int16_t *bp = bm + (ptrdiff_t)column * w->b_column;
                int64_t acc = 0;
                for (int32_t k = 0; k < w->k; ++k) {
                    acc += (*ap - p->a_zero) * (*bp - p->b_zero);
                    ap += w->a_column;
                    bp += w->b_row;
                }
                const int32_t code = ek_rescaled_64(acc, p->multiplier, p->shift) + p->zero_point;
                y[column] = (int16_t)ek_clamp(code, -32768, 32767);
            }
            y += p->y_row;
        }
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}
