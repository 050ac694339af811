#include "ek_movement.h"

void ek_fill(int32_t count, int32_t size, const void *pattern, void *y)
{
    uint8_t *const target = y;
    const size_t total = (size_t)count * (size_t)size;
    size_t done = total ? (size_t)size : 0;
    memcpy(target, pattern, done);
    while (done < total) { /* what is there already, once more */
        const size_t more = done < total - done ? done : total - done;
        memcpy(target + done, target, more);
        done += more;
    }
}
