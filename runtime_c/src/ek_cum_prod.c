#include "ek_index.h"

#define CUMULATE(s, type, wrapping)                                                                                    \
    void ek_cum_prod_##s(const ek_cumulate_params *p, const type *x, type *y)                                          \
    {                                                                                                                  \
        const ptrdiff_t step = p->inner;                                                                               \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->inner; ++i) {                                                                   \
                type acc = 1;                                                                                          \
                for (int32_t a = 0; a < p->axis; ++a) {                                                                \
                    const ptrdiff_t at = (o * p->axis + (p->reverse ? p->axis - 1 - a : a)) * step + i;                \
                    const type before = acc;                                                                           \
                    acc = (type)((wrapping)acc * (wrapping)x[at]);                                                     \
                    y[at] = p->exclusive ? before : acc;                                                               \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
#define FLOATS(s, type, unused) CUMULATE(s, type, type)
#define INTEGERS(s, type, unused) CUMULATE(s, type, uint64_t)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
