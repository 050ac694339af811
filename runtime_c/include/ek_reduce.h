/* Reductions over any axes. Sums run in the order of memory, one accumulator: edgekit/ops/reduce.py does the same. */
#ifndef EK_REDUCE_H
#define EK_REDUCE_H

#include "ek_elementwise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Axes that stay and axes that are reduced, both at least one; strides in elements of x. */
typedef struct {
    int32_t outer_rank;
    int32_t outer_shape[EK_MAX_RANK];
    int32_t outer_stride[EK_MAX_RANK];
    int32_t inner_rank;
    int32_t inner_shape[EK_MAX_RANK];
    int32_t inner_stride[EK_MAX_RANK];
} ek_reduce_params;

/* `start` and `step` of the accumulator `acc` over the elements `v`, and `finish` from it; `first` is the first element
 * (or whatever stands there, where there is none). */
#define EK_REDUCE(name, from, to, start, step, finish)                                                                 \
    void name(const ek_reduce_params *p, const from *x, to *y)                                                         \
    {                                                                                                                  \
        int32_t outer[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->outer_rank - 1;                                                                        \
        const int32_t tail = p->inner_rank - 1;                                                                        \
        do {                                                                                                           \
            for (int32_t i = 0; i < p->outer_shape[last]; ++i) {                                                       \
                const from *base =                                                                                     \
                    x + ek_row_offset(p->outer_rank, outer, p->outer_stride) + (ptrdiff_t)i * p->outer_stride[last];   \
                int32_t inner[EK_MAX_RANK] = {0};                                                                      \
                int32_t count = 0;                                                                                     \
                to acc = (start);                                                                                      \
                do {                                                                                                   \
                    const from *row = base + ek_row_offset(p->inner_rank, inner, p->inner_stride);                     \
                    for (int32_t k = 0; k < p->inner_shape[tail]; ++k, ++count) {                                      \
                        const from v = row[(ptrdiff_t)k * p->inner_stride[tail]];                                      \
                        acc = (to)(step);                                                                              \
                    }                                                                                                  \
                } while (ek_next_row(p->inner_rank, p->inner_shape, inner));                                           \
                *y++ = (to)(finish);                                                                                   \
            }                                                                                                          \
        } while (ek_next_row(p->outer_rank, p->outer_shape, outer));                                                   \
    }

#define EK_DECLARE_REDUCE(s, type, unused)                                                                             \
    void ek_reduce_sum_##s(const ek_reduce_params *p, const type *x, type *y);                                         \
    void ek_reduce_prod_##s(const ek_reduce_params *p, const type *x, type *y);                                        \
    void ek_reduce_max_##s(const ek_reduce_params *p, const type *x, type *y);                                         \
    void ek_reduce_min_##s(const ek_reduce_params *p, const type *x, type *y);
EK_NUMBER_TYPES(EK_DECLARE_REDUCE)

void ek_reduce_mean_f32(const ek_reduce_params *p, const float *x, float *y);

#ifdef __cplusplus
}
#endif
#endif
