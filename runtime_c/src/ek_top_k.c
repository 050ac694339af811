#include "ek_index.h"

/* The output is the sorted list of the best so far: a number moves in where it beats one. */
#define TOP_K(name, type, before)                                                                                      \
    void name(const ek_top_k_params *p, const type *x, type *y, int64_t *indices)                                      \
    {                                                                                                                  \
        const ptrdiff_t step = p->inner;                                                                               \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->inner; ++i) {                                                                   \
                const type *line = x + o * p->axis * step + i;                                                         \
                type *values = y + o * p->k * step + i;                                                                \
                int64_t *places = indices + o * p->k * step + i;                                                       \
                int32_t found = 0;                                                                                     \
                for (int32_t axis = 0; axis < p->axis; ++axis) {                                                       \
                    const type a = line[axis * step];                                                                  \
                    int32_t at = found < p->k ? found++ : p->k;                                                        \
                    while (at > 0) {                                                                                   \
                        const type b = values[(at - 1) * step];                                                        \
                        if (!(before)) {                                                                               \
                            break;                                                                                     \
                        }                                                                                              \
                        --at;                                                                                          \
                        if (at + 1 < p->k) {                                                                           \
                            values[(at + 1) * step] = b;                                                               \
                            places[(at + 1) * step] = places[at * step];                                               \
                        }                                                                                              \
                    }                                                                                                  \
                    if (at < p->k) {                                                                                   \
                        values[at * step] = a;                                                                         \
                        places[at * step] = axis;                                                                      \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
/* NaN counts as largest. */
#define FLOATS(s, type, unused)                                                                                        \
    TOP_K(ek_top_k_largest_##s, type, a > b || (a != a && b == b))                                                     \
    TOP_K(ek_top_k_smallest_##s, type, a < b || (a == a && b != b))
#define INTEGERS(s, type, unused)                                                                                      \
    TOP_K(ek_top_k_largest_##s, type, a > b)                                                                           \
    TOP_K(ek_top_k_smallest_##s, type, a < b)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
