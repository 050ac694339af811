/* Normalization of int8 codes in integers; edgekit/ops/integer_norm.py defines every step. */
#ifndef EK_NORM_H
#define EK_NORM_H

#include "ek_reduce.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The groups are the outer axes of `walk`, their elements the inner ones; the channel of an element follows from the
 * steps per axis. `count` elements a group, at most 2^15. */
typedef struct {
    ek_reduce_params walk;
    int32_t outer_channel[EK_MAX_RANK];
    int32_t inner_channel[EK_MAX_RANK];
    int32_t count, input_zero, centred;
    int64_t epsilon;
    int32_t shift, zero_point;
} ek_norm_params;

/* y has the layout of x. */
void ek_norm_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
