/* Recurrent layers of codes, and SVDF in both forms. */
#ifndef EK_INTEGER_RECURRENT_H
#define EK_INTEGER_RECURRENT_H

#include "ek_integer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Row t * time_rows + b * batch_rows of x and y is step t of sequence b. The cell state has `cell_bits` integer bits;
 * `outputs` is the projection's size, or `units` without one. A clip of 0 is none. */
typedef struct {
    int32_t steps, batch, time_rows, batch_rows;
    int32_t inputs, units, outputs;
    int32_t coupled; /* no input gate: it is what the forget gate leaves */
    int32_t cell_bits, cell_clip, projection_clip;
    int32_t hidden_offset, output_zero;
    ek_rescale hidden, projection;
} ek_int_lstm_params;

/* Weights [gates,units,inputs] and [gates,units,outputs] of the gates input (not if coupled), forget, cell, output;
 * biases [2,gates,units] of both products, zero points folded in; scales [2,gates] to Q3.12; projection [outputs,units]
 * with its biases, or null. Scratch: 11 * units + outputs bytes, aligned to 2. */
void ek_int_lstm_s8(const ek_int_lstm_params *p, const int8_t *x, const int8_t *weights, const int8_t *recurrent,
                    const int32_t *biases, const ek_rescale *scales, const int8_t *projection,
                    const int32_t *projection_bias, int8_t *y, void *scratch);

/* One step over time: features of x, [filters,inputs], join the state [batch,filters,memory], whose oldest column
 * drops out; a unit is the sum of `rank` filters, each weighted over its memory. `next` may be `state`. */
typedef struct {
    int32_t batch, inputs, units, rank, memory;
    ek_rescale feature, output;
    int32_t zero_point;
    float low, high;
} ek_svdf_params;

/* s8: feature_bias [filters] holds what the input's zero point adds; sums over the memory wrap around. Bias [units] or
 * null. */
void ek_svdf_s8(const ek_svdf_params *p, const int8_t *x, const int16_t *state, const int8_t *features,
                const int32_t *feature_bias, const int16_t *weights, const int32_t *bias, int8_t *y, int16_t *next);
void ek_svdf_f32(const ek_svdf_params *p, const float *x, const float *state, const float *features,
                 const float *weights, const float *bias, float *y, float *next);

#ifdef __cplusplus
}
#endif
#endif
