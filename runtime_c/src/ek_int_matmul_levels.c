#include "ek_integer.h"
#include "ek_levels.h"

/* A row of levels times a column of codes that are `step` apart. */
static uint32_t dot(const int16_t *row, const int8_t *column, int32_t depth, int32_t step)
{
    uint32_t sum = 0;
    for (; depth > 0; --depth) {
        sum += (uint32_t)(*row++ * *column);
        column += step;
    }
    return sum;
}

/* What the zero point of b takes from every sum of a row. */
static uint32_t start_of(const ek_int_matmul_params *p, const int16_t *row)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < p->walk.k; ++i) {
        sum += row[i];
    }
    return (uint32_t)-p->b_zero * (uint32_t)sum;
}

void ek_int_matmul_levels(const ek_int_matmul_params *p, const int16_t *levels, const int8_t *a, const int8_t *b,
                          int8_t *y, void *scratch)
{
    const ek_matmul_params *w = &p->walk;
    int16_t *const row = (int16_t *)scratch;
    int32_t index[EK_MAX_RANK + 1] = {0};
    do {
        const int8_t *codes = a + ek_row_offset(w->batch.rank + 1, index, w->batch.a);
        const int8_t *first = b + ek_row_offset(w->batch.rank + 1, index, w->batch.b);
        for (int32_t i = 0; i < w->m; ++i) {
            ek_decode_levels(codes, w->k, w->a_column, levels, row);
            const uint32_t start = start_of(p, row);
            const int8_t *column = first;
            for (int32_t j = 0; j < w->n; ++j) {
                const int32_t sum = (int32_t)(start + dot(row, column, w->k, w->b_row));
                y[j] = (int8_t)ek_clamp(ek_rescaled(sum, &p->scale) + p->zero_point, -128, 127);
                column += w->b_column;
            }
            codes += w->a_row;
            y += p->y_row;
        }
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}
