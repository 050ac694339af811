#include "ek_movement.h"

/* To the next row: 1, or 0 at the end. */
static inline int32_t next_row(const ek_copy_params *p, int32_t *index, ptrdiff_t *from, ptrdiff_t *to)
{
    for (int32_t axis = p->rank - 2; axis >= 0; --axis) {
        *from += p->from[axis];
        *to += p->to[axis];
        if (++index[axis] < p->shape[axis]) {
            return 1;
        }
        *from -= (ptrdiff_t)p->shape[axis] * p->from[axis];
        *to -= (ptrdiff_t)p->shape[axis] * p->to[axis];
        index[axis] = 0;
    }
    return 0;
}

/* Elements from which on a call of memcpy pays. */
#define LONG_RUN 8

#define COPY(bits)                                                                                                     \
    void ek_copy_##bits(const ek_copy_params *p, const uint##bits##_t *x, uint##bits##_t *y)                           \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        const int32_t count = p->shape[last];                                                                          \
        const ptrdiff_t read = p->from[last];                                                                          \
        const ptrdiff_t write = p->to[last];                                                                           \
        const int32_t run = read == 1 && write == 1 && count >= LONG_RUN;                                              \
        ptrdiff_t from = 0;                                                                                            \
        ptrdiff_t to = 0;                                                                                              \
        do {                                                                                                           \
            const uint##bits##_t *source = x + from;                                                                   \
            uint##bits##_t *target = y + to;                                                                           \
            if (run) {                                                                                                 \
                memcpy(target, source, (size_t)count * sizeof *target);                                                \
            } else {                                                                                                   \
                for (int32_t pairs = count >> 1; pairs > 0; --pairs) {                                                 \
                    target[0] = source[0];                                                                             \
                    target[write] = source[read];                                                                      \
                    source += 2 * read;                                                                                \
                    target += 2 * write;                                                                               \
                }                                                                                                      \
                if (count & 1) {                                                                                       \
                    *target = *source;                                                                                 \
                }                                                                                                      \
            }                                                                                                          \
        } while (next_row(p, index, &from, &to));                                                                      \
    }

COPY(8)
COPY(16)
COPY(32)
COPY(64)
