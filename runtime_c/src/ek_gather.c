#include "ek_movement.h"

#define GATHER(bits)                                                                                                   \
    void ek_gather_i##bits(const ek_gather_params *p, const void *x, const int##bits##_t *indices, void *y)            \
    {                                                                                                                  \
        const uint8_t *block = x;                                                                                      \
        uint8_t *target = y;                                                                                           \
        for (int32_t o = 0; o < p->outer; ++o) {                                                                       \
            for (int32_t i = 0; i < p->count; ++i) {                                                                   \
                const int##bits##_t given = indices[i] < 0 ? indices[i] + p->axis : indices[i];                        \
                const int32_t row = given < 0 ? 0 : (given >= p->axis ? p->axis - 1 : (int32_t)given);                 \
                memcpy(target, block + (size_t)row * (size_t)p->row, (size_t)p->row);                                  \
                target += p->row;                                                                                      \
            }                                                                                                          \
            block += (size_t)p->axis * (size_t)p->row;                                                                 \
        }                                                                                                              \
    }

GATHER(32)
GATHER(64)
