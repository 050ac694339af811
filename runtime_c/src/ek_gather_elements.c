#include "ek_index.h"

#define GATHER_ELEMENTS(bits)                                                                                          \
    void ek_gather_elements_##bits(const ek_elements_params *p, const uint##bits##_t *x, const void *indices,          \
                                   uint##bits##_t *y)                                                                  \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        ptrdiff_t at = 0;                                                                                              \
        do {                                                                                                           \
            const uint##bits##_t *row = x + ek_row_offset(p->rank, index, p->step);                                    \
            for (int32_t i = 0; i < p->shape[last]; ++i, ++at) {                                                       \
                const int32_t place = ek_index_at(indices, p->wide, at, p->axis);                                      \
                y[at] = row[(ptrdiff_t)i * p->step[last] + (ptrdiff_t)place * p->axis_step];                           \
            }                                                                                                          \
        } while (ek_next_row(p->rank, p->shape, index));                                                               \
    }

GATHER_ELEMENTS(8)
GATHER_ELEMENTS(16)
GATHER_ELEMENTS(32)
GATHER_ELEMENTS(64)
