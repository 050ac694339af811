/* Functions of int8 codes that are edgekit's own: no file format defines them in integers. */
#ifndef EK_CODES_H
#define EK_CODES_H

#include "ek_index.h"
#include "ek_spatial.h"
#include "ek_tflite.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    ek_cumulate_params walk;
    ek_rescale scale;
    int32_t input_zero, zero_point;
} ek_cum_sum_s8_params;

/* Exact sums, each rescaled on its own. y may be x. */
void ek_cum_sum_s8(const ek_cum_sum_s8_params *p, const int8_t *x, int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
