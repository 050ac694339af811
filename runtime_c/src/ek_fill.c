#include "ek_movement.h"

void ek_fill(int32_t count, int32_t size, const void *pattern, void *y)
{
    uint8_t *target = y;
    for (; count > 0; --count) {
        memcpy(target, pattern, (size_t)size);
        target += size;
    }
}
