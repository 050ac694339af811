#include "ek_index.h"

#define SCATTER_ELEMENTS(s, type, unused)                                                                              \
    void ek_scatter_elements_##s(const ek_elements_params *p, const void *indices, const type *updates, type *y)       \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        ptrdiff_t at = 0;                                                                                              \
        do {                                                                                                           \
            type *row = y + ek_row_offset(p->rank, index, p->step);                                                    \
            for (int32_t i = 0; i < p->shape[last]; ++i, ++at) {                                                       \
                const int32_t place = ek_index_at(indices, p->wide, at, p->axis);                                      \
                type *target = row + (ptrdiff_t)i * p->step[last] + (ptrdiff_t)place * p->axis_step;                   \
                *target = scattered_##s(p->reduction, *target, updates[at]);                                           \
            }                                                                                                          \
        } while (ek_next_row(p->rank, p->shape, index));                                                               \
    }

EK_FLOAT_TYPES(EK_SCATTERED_FLOAT)
EK_INTEGER_TYPES(EK_SCATTERED_INTEGER)
EK_NUMBER_TYPES(SCATTER_ELEMENTS)
