#include "ek_elementwise.h"

#define WHERE(bits)                                                                                                    \
    void ek_where_##bits(const ek_ternary_params *p, const uint8_t *a, const uint##bits##_t *b,                        \
                         const uint##bits##_t *c, uint##bits##_t *y)                                                   \
    {                                                                                                                  \
        int32_t index[EK_MAX_RANK] = {0};                                                                              \
        const int32_t last = p->rank - 1;                                                                              \
        do {                                                                                                           \
            const uint8_t *ap = a + ek_row_offset(p->rank, index, p->a);                                               \
            const uint##bits##_t *bp = b + ek_row_offset(p->rank, index, p->b);                                        \
            const uint##bits##_t *cp = c + ek_row_offset(p->rank, index, p->c);                                        \
            for (int32_t i = 0; i < p->shape[last]; ++i) {                                                             \
                *y++ = *ap ? *bp : *cp;                                                                                \
                ap += p->a[last];                                                                                      \
                bp += p->b[last];                                                                                      \
                cp += p->c[last];                                                                                      \
            }                                                                                                          \
        } while (ek_next_row(p->rank, p->shape, index));                                                               \
    }

WHERE(8)
WHERE(16)
WHERE(32)
WHERE(64)
