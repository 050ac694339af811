/* Kernels that follow indices or make them. Index tensors are int32, or int64 where `wide`; they count from the end
 * where negative, and one outside its axis is moved to the nearest end, so that no input can reach beyond a buffer. */
#ifndef EK_INDEX_H
#define EK_INDEX_H

#include "ek_elementwise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element i of an index tensor, inside 0 .. size - 1. */
static inline int32_t ek_index_at(const void *indices, int32_t wide, ptrdiff_t i, int32_t size)
{
    int64_t index = wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
    index = index < 0 ? index + size : index;
    return index < 0 ? 0 : (index >= size ? size - 1 : (int32_t)index);
}

/* Blocks [outer, axis, inner]. */
typedef struct {
    int32_t outer, axis, inner;
    int32_t last; /* of several equal numbers the last one, not the first */
} ek_arg_params;

/* The k largest or smallest of every line, in order; of equal numbers the one of the lower index comes first. */
typedef struct {
    int32_t outer, axis, inner, k;
} ek_top_k_params;

/* Running sums or products; `exclusive`: without the element itself, `reverse`: from the end. */
typedef struct {
    int32_t outer, axis, inner;
    int32_t exclusive, reverse;
} ek_cumulate_params;

#define EK_DECLARE_ORDER(s, type, unused)                                                                              \
    void ek_arg_max_##s(const ek_arg_params *p, const type *x, int64_t *y);                                            \
    void ek_arg_min_##s(const ek_arg_params *p, const type *x, int64_t *y);                                            \
    void ek_top_k_largest_##s(const ek_top_k_params *p, const type *x, type *y, int64_t *indices);                     \
    void ek_top_k_smallest_##s(const ek_top_k_params *p, const type *x, type *y, int64_t *indices);                    \
    void ek_cum_sum_##s(const ek_cumulate_params *p, const type *x, type *y);                                          \
    void ek_cum_prod_##s(const ek_cumulate_params *p, const type *x, type *y);
EK_NUMBER_TYPES(EK_DECLARE_ORDER)

/* A running sum or product of `start`, `op` by op in the type `wide`. y may be x. */
#define EK_CUMULATE(name, type, wide, start, op)                                                                       \
    void name(const ek_cumulate_params *p, const type *x, type *y)                                                     \
    {                                                                                                                  \
        const ptrdiff_t step = p->inner;                                                                               \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->inner; ++i) {                                                                   \
                type acc = start;                                                                                      \
                for (int32_t a = 0; a < p->axis; ++a) {                                                                \
                    const ptrdiff_t at = (o * p->axis + (p->reverse ? p->axis - 1 - a : a)) * step + i;                \
                    const type before = acc;                                                                           \
                    acc = (type)((wide)acc op(wide) x[at]);                                                            \
                    y[at] = p->exclusive ? before : acc;                                                               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

/* Where the best of each line stands, the first or the last of equal ones: `over` says that an element v is better than
 * `best`, `reaches` that it is as good. NaN, where there is one, counts as best. */
#define EK_ARG(name, type, over, reaches, is_nan, best_is_nan)                                                         \
    void name(const ek_arg_params *p, const type *x, int64_t *y)                                                       \
    {                                                                                                                  \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->inner; ++i) {                                                                   \
                const type *line = x + (ptrdiff_t)o * p->axis * p->inner + i;                                          \
                type best = line[0];                                                                                   \
                int32_t at = 0;                                                                                        \
                for (int32_t a = 1; a < p->axis; ++a) {                                                                \
                    const type v = line[(ptrdiff_t)a * p->inner];                                                      \
                    if (p->last ? (v reaches best || (is_nan)) && ((is_nan) || !(best_is_nan))                         \
                                : v over best || ((is_nan) && !(best_is_nan))) {                                       \
                        best = v;                                                                                      \
                        at = a;                                                                                        \
                    }                                                                                                  \
                }                                                                                                      \
                *y++ = at;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }

/* A walk over the index tensor: steps of the other tensor per axis, in elements, 0 along the indexed axis, which has
 * `axis` elements `axis_step` apart. */
typedef struct {
    int32_t rank;
    int32_t shape[EK_MAX_RANK];
    int32_t step[EK_MAX_RANK];
    int32_t axis, axis_step;
    int32_t wide;
    int32_t reduction; /* scatter: EK_SCATTER_.. */
} ek_elements_params;

void ek_gather_elements_8(const ek_elements_params *p, const uint8_t *x, const void *indices, uint8_t *y);
void ek_gather_elements_16(const ek_elements_params *p, const uint16_t *x, const void *indices, uint16_t *y);
void ek_gather_elements_32(const ek_elements_params *p, const uint32_t *x, const void *indices, uint32_t *y);
void ek_gather_elements_64(const ek_elements_params *p, const uint64_t *x, const void *indices, uint64_t *y);

/* `batch` blocks of `count` indices of `depth` numbers each; `size` and `step` of the axes that they name, and where a
 * block of the data has its `row`: bytes in ek_gather_nd, elements in ek_scatter_nd. */
typedef struct {
    int32_t batch, count, depth;
    int32_t size[EK_MAX_RANK];
    int32_t step[EK_MAX_RANK];
    int32_t batch_step, row;
    int32_t wide;
    int32_t reduction;
} ek_nd_params;

void ek_gather_nd(const ek_nd_params *p, const void *x, const void *indices, void *y);

/* Where the row of index tuple i starts. */
static inline ptrdiff_t ek_nd_offset(const ek_nd_params *p, const void *indices, ptrdiff_t i)
{
    ptrdiff_t offset = 0;
    for (int32_t d = 0; d < p->depth; ++d) {
        offset += (ptrdiff_t)ek_index_at(indices, p->wide, i * p->depth + d, p->size[d]) * p->step[d];
    }
    return offset;
}

/* y holds the data already; updates go in one after the other, so that the last of several to one place wins. */
#define EK_SCATTER_NONE 0
#define EK_SCATTER_ADD 1
#define EK_SCATTER_MUL 2
#define EK_SCATTER_MAX 3
#define EK_SCATTER_MIN 4

#define EK_DECLARE_SCATTER(s, type, unused)                                                                            \
    void ek_scatter_elements_##s(const ek_elements_params *p, const void *indices, const type *updates, type *y);      \
    void ek_scatter_nd_##s(const ek_nd_params *p, const void *indices, const type *updates, type *y);
EK_NUMBER_TYPES(EK_DECLARE_SCATTER)

/* What an element becomes: `wrapping` is the type that sums and products are made in, `keeps` a NaN. */
#define EK_SCATTERED(s, type, wrapping, keeps)                                                                         \
    static inline type scattered_##s(int32_t reduction, type old, type update)                                         \
    {                                                                                                                  \
        switch (reduction) {                                                                                           \
        case EK_SCATTER_ADD:                                                                                           \
            return (type)((wrapping)old + (wrapping)update);                                                           \
        case EK_SCATTER_MUL:                                                                                           \
            return (type)((wrapping)old * (wrapping)update);                                                           \
        case EK_SCATTER_MAX:                                                                                           \
            return old > update || (keeps) ? old : update;                                                             \
        case EK_SCATTER_MIN:                                                                                           \
            return old < update || (keeps) ? old : update;                                                             \
        default:                                                                                                       \
            return update;                                                                                             \
        }                                                                                                              \
    }
#define EK_SCATTERED_FLOAT(s, type, unused) EK_SCATTERED(s, type, type, old != old)
#define EK_SCATTERED_INTEGER(s, type, unused) EK_SCATTERED(s, type, uint64_t, 0)

/* Determinants of `count` matrices [n,n] by elimination with the largest pivot; scratch: one matrix. */
void ek_det_f32(int32_t count, int32_t n, const float *x, float *y, void *scratch);
void ek_det_f64(int32_t count, int32_t n, const double *x, double *y, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
