#include "ek_index.h"

#define SCATTER_ND(s, type, unused)                                                                                    \
    void ek_scatter_nd_##s(const ek_nd_params *p, const void *indices, const type *updates, type *y)                   \
    {                                                                                                                  \
        for (int32_t i = 0; i < p->count; ++i) {                                                                       \
            type *row = y + ek_nd_offset(p, indices, i);                                                               \
            for (int32_t k = 0; k < p->row; ++k) {                                                                     \
                row[k] = scattered_##s(p->reduction, row[k], *updates++);                                              \
            }                                                                                                          \
        }                                                                                                              \
    }

EK_FLOAT_TYPES(EK_SCATTERED_FLOAT)
EK_INTEGER_TYPES(EK_SCATTERED_INTEGER)
EK_NUMBER_TYPES(SCATTER_ND)
