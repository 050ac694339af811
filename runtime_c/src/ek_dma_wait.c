#include "ek_movement.h"

/* Weak, as ek_dma_start is, which has copied everything when it returns. */
__attribute__((weak)) void ek_dma_wait(int32_t unfinished)
{
    (void)unfinished;
}
