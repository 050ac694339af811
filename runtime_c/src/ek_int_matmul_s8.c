#include "ek_integer.h"
#include "ek_rows.h"

/* Vectors of `depth` codes that are `step` apart, from one to the next `vector`. */
typedef struct {
    const int8_t *codes;
    int32_t depth, step, vector;
} vectors;

__attribute__((noinline)) static void copy(const int8_t *from, int32_t count, int32_t step, int8_t *to)
{
    for (; count > 0; --count) {
        *to++ = *from;
        from += step;
    }
}

/* A vector as it stands, if its codes are neighbours, else copied to `to`. */
static inline const int8_t *row_of(const vectors *v, int32_t index, int8_t *to)
{
    const int8_t *codes = v->codes + (ptrdiff_t)index * v->vector;
    if (v->step == 1) {
        return codes;
    }
    copy(codes, v->depth, v->step, to);
    return to;
}

EK_INLINE int8_t code_of(const ek_int_matmul_params *p, uint32_t sum, int32_t rounding)
{
    if (rounding == EK_TWICE_EACH) {
        const ek_channel channel = {0, p->scale.multiplier, 1, (uint16_t)p->scale.right};
        const ek_output out = {p->zero_point, -128, 127, 1};
        return ek_code_of_sum(sum, &channel, out, rounding);
    }
    return (int8_t)ek_clamp(ek_rescaled((int32_t)sum, &p->scale) + p->zero_point, -128, 127);
}

/* Two columns of the result, or where `second` is 0 only the first one. starts: what the rows' sums start with. */
EK_INLINE void multiply_columns(const ek_int_matmul_params *p, const vectors *rows, ek_row_block *block,
                                const uint32_t *starts, int8_t *y, int32_t second, int8_t *copies, int32_t rounding)
{
    const int32_t m = p->walk.m, depth = rows->depth;
    const uint32_t all = (uint32_t)(depth * p->a_zero * p->b_zero);
    uint32_t bases[2];
    for (int32_t i = 0; i < 2; ++i) {
        bases[i] = all - (uint32_t)(p->a_zero * ek_sum_codes(block->rows[2 + i], depth, 1));
    }
    for (int32_t row = 0; row < m; row += 2) {
        /* Where one row is left it is both. */
        const int32_t next = row + 1 < m ? 1 : 0, y_step = next ? p->y_row : 0;
        uint32_t sums[4];
        block->rows[0] = row_of(rows, row, copies);
        block->rows[1] = next ? row_of(rows, row + 1, copies + depth) : block->rows[0];
        ek_sum_two_by_two(block, sums);
        y[0] = code_of(p, sums[0] + starts[0] + bases[0], rounding);
        y[y_step] = code_of(p, sums[1] + starts[next] + bases[0], rounding);
        if (second) {
            y[1] = code_of(p, sums[2] + starts[0] + bases[1], rounding);
            y[y_step + 1] = code_of(p, sums[3] + starts[next] + bases[1], rounding);
        }
        y += 2 * p->y_row;
        starts += 2;
    }
}

EK_INLINE void multiply(const ek_int_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch,
                        int32_t rounding)
{
    const ek_matmul_params *w = &p->walk;
    uint32_t *const starts = (uint32_t *)scratch;
    int8_t *const b_copies = (int8_t *)(starts + w->m), *const a_copies = b_copies + (w->b_row == 1 ? 0 : 2 * w->k);
    int32_t index[EK_MAX_RANK + 1] = {0};
    do {
        const vectors rows = {a + ek_row_offset(w->batch.rank + 1, index, w->batch.a), w->k, w->a_column, w->a_row};
        const vectors columns = {b + ek_row_offset(w->batch.rank + 1, index, w->batch.b), w->k, w->b_row, w->b_column};
        for (int32_t row = 0; row < w->m; ++row) {
            const int8_t *codes = rows.codes + (ptrdiff_t)row * rows.vector;
            starts[row] = (uint32_t)(-p->b_zero * ek_sum_codes(codes, rows.depth, rows.step));
        }
        for (int32_t column = 0; column < w->n; column += 2) {
            const int32_t second = column + 1 < w->n;
            ek_row_block block = {w->k, {0, 0, row_of(&columns, column, b_copies), 0, 0}};
            block.rows[3] = second ? row_of(&columns, column + 1, b_copies + w->k) : block.rows[2];
            multiply_columns(p, &rows, &block, starts, y + column, second, a_copies, rounding);
        }
        y += (ptrdiff_t)w->m * p->y_row;
    } while (ek_next_row(w->batch.rank + 1, w->batch.shape, index));
}

void ek_int_matmul_s8_any(const ek_int_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch)
{
    multiply(p, a, b, y, scratch, EK_ANY);
}

void ek_int_matmul_s8_twice(const ek_int_matmul_params *p, const int8_t *a, const int8_t *b, int8_t *y, void *scratch)
{
    multiply(p, a, b, y, scratch, EK_TWICE_EACH);
}
