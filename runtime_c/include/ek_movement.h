/* Kernels that move elements without looking at them: by size in bits, for plain numbers and codes alike. */
#ifndef EK_MOVEMENT_H
#define EK_MOVEMENT_H

#include "ek_elementwise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Steps per axis in elements, of the source (may be negative, or 0 to repeat) and of the destination. */
typedef struct {
    int32_t rank;
    int32_t shape[EK_MAX_RANK];
    int32_t from[EK_MAX_RANK];
    int32_t to[EK_MAX_RANK];
} ek_copy_params;

void ek_copy_8(const ek_copy_params *p, const uint8_t *x, uint8_t *y);
void ek_copy_16(const ek_copy_params *p, const uint16_t *x, uint16_t *y);
void ek_copy_32(const ek_copy_params *p, const uint32_t *x, uint32_t *y);
void ek_copy_64(const ek_copy_params *p, const uint64_t *x, uint64_t *y);

/* Copies between memories, one after the other in the order in which they are started, while layers run. Neither end is
 * written, nor the target read, until a wait says that the copy is done. With a data cache, a start cleans what it
 * reads and a wait invalidates what was written. */
void ek_dma_start(uint8_t *to, const uint8_t *from, int32_t bytes);

/* Returns when at most `unfinished` of the copies started so far, the latest ones, are not done. */
void ek_dma_wait(int32_t unfinished);

/* `count` copies of `size` bytes. */
void ek_fill(int32_t count, int32_t size, const void *pattern, void *y);

/* y[o,i,:] = x[o,indices[i],:] for `outer` blocks of `axis` rows of `row` bytes. Indices count from the end where
 * negative; one outside the axis is moved to its nearest end, so that no input can read beyond x. */
typedef struct {
    int32_t outer, axis, row, count;
} ek_gather_params;

void ek_gather_i32(const ek_gather_params *p, const void *x, const int32_t *indices, void *y);
void ek_gather_i64(const ek_gather_params *p, const void *x, const int64_t *indices, void *y);

#ifdef __cplusplus
}
#endif
#endif
