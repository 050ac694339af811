#include "ek_movement.h"

#define COPY(bits)                                                                                                     \
    void ek_copy_##bits(const ek_copy_params *p, const uint##bits##_t *x, uint##bits##_t *y)                           \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        const int32_t count = p->shape[last];                                                                          \
        const int32_t from = p->from[last];                                                                            \
        const int32_t to = p->to[last];                                                                                \
        do {                                                                                                           \
            const uint##bits##_t *source = x + ek_row_offset(p->rank, index, p->from);                                 \
            uint##bits##_t *target = y + ek_row_offset(p->rank, index, p->to);                                         \
            if (from == 1 && to == 1) {                                                                                \
                memcpy(target, source, (size_t)count * sizeof *target);                                                \
            } else {                                                                                                   \
                for (int32_t i = 0; i < count; ++i) {                                                                  \
                    target[(ptrdiff_t)i * to] = source[(ptrdiff_t)i * from];                                           \
                }                                                                                                      \
            }                                                                                                          \
        } while (ek_next_row(p->rank, p->shape, index));                                                               \
    }

COPY(8)
COPY(16)
COPY(32)
COPY(64)
