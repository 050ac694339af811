#include "ek_index.h"

/* NaN counts as largest. */
#define ARG_MAX(s, type, is_nan, best_is_nan)                                                                          \
    void ek_arg_max_##s(const ek_arg_params *p, const type *x, int64_t *y)                                             \
    {                                                                                                                  \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->inner; ++i) {                                                                   \
                const type *line = x + (ptrdiff_t)o * p->axis * p->inner + i;                                          \
                type best = line[0];                                                                                   \
                int32_t at = 0;                                                                                        \
                for (int32_t a = 1; a < p->axis; ++a) {                                                                \
                    const type v = line[(ptrdiff_t)a * p->inner];                                                      \
                    if (p->last ? (v >= best || (is_nan)) && ((is_nan) || !(best_is_nan))                              \
                                : v > best || ((is_nan) && !(best_is_nan))) {                                          \
                        best = v;                                                                                      \
                        at = a;                                                                                        \
                    }                                                                                                  \
                }                                                                                                      \
                *y++ = at;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
#define FLOATS(s, type, unused) ARG_MAX(s, type, v != v, best != best)
#define INTEGERS(s, type, unused) ARG_MAX(s, type, 0, 0)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
