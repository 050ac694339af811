#include "ek_movement.h"

/* Weak: a function of this name in your firmware takes its place, with your board's DMA (see ek_movement.h). */
__attribute__((weak)) void ek_dma_start(uint8_t *to, const uint8_t *from, int32_t bytes)
{
    memcpy(to, from, (size_t)bytes);
}
