/* Recurrent cells in float32: RNN, GRU and LSTM as ONNX defines them. Every sum of products is one accumulator over the
 * inputs, then over the state, then the two biases: edgekit/ops/recurrent.py does the same. */
#ifndef EK_RECURRENT_H
#define EK_RECURRENT_H

#include "ek_elementwise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What follows a sum; the numbers are those of edgekit/ops/recurrent.py. */
#define EK_CELL_SIGMOID 0
#define EK_CELL_TANH 1
#define EK_CELL_RELU 2
#define EK_CELL_AFFINE 3
#define EK_CELL_LEAKY_RELU 4
#define EK_CELL_THRESHOLDED_RELU 5
#define EK_CELL_SCALED_TANH 6
#define EK_CELL_HARD_SIGMOID 7
#define EK_CELL_ELU 8
#define EK_CELL_SOFTSIGN 9
#define EK_CELL_SOFTPLUS 10

/* Up to three activations per direction, of two directions. */
typedef struct {
    int32_t time, batch, inputs, hidden;
    int32_t directions, reverse; /* reverse: the first direction runs from the end */
    int32_t kind[6];
    float alpha[6];
    float beta[6];
    float clip; /* infinite for none */
    int32_t linear_before_reset, input_forget;
} ek_recurrent_params;

/* x [time,batch,inputs], w [directions,gates*hidden,inputs], r [directions,gates*hidden,hidden], bias
 * [directions,2*gates*hidden], lengths [batch], h0 and c0 [directions,batch,hidden], peepholes [directions,3*hidden];
 * y [time,directions,batch,hidden], y_h and y_c [directions,batch,hidden]. All from bias on, and each output, may be
 * null. Gates stand in ONNX's order. Scratch: 2 * hidden (RNN), 5 * hidden (GRU), 6 * hidden (LSTM) floats. */
void ek_rnn_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                const int32_t *lengths, const float *h0, float *y, float *y_h, void *scratch);
void ek_gru_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                const int32_t *lengths, const float *h0, float *y, float *y_h, void *scratch);
void ek_lstm_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                 const int32_t *lengths, const float *h0, const float *c0, const float *peepholes, float *y, float *y_h,
                 float *y_c, void *scratch);

static inline float ek_cell_one(int32_t kind, float alpha, float beta, float x)
{
    switch (kind) {
    case EK_CELL_SIGMOID:
        return ek_sigmoid(x);
    case EK_CELL_TANH:
        return ek_tanh(x);
    case EK_CELL_RELU:
        return x < 0.0f ? 0.0f : x;
    case EK_CELL_AFFINE:
        return x * alpha + beta;
    case EK_CELL_LEAKY_RELU:
        return x < 0.0f ? x * alpha : x;
    case EK_CELL_THRESHOLDED_RELU:
        return x > alpha ? x : 0.0f;
    case EK_CELL_SCALED_TANH:
        return ek_tanh(x * beta) * alpha;
    case EK_CELL_HARD_SIGMOID:
        return ek_between(x * alpha + beta, 0.0f, 1.0f);
    case EK_CELL_ELU:
        return x < 0.0f ? ek_expm1(x) * alpha : x;
    case EK_CELL_SOFTSIGN:
        return x / (1.0f + ek_fabs(x));
    default:
        return ek_softplus(x);
    }
}

/* Activation `which` of direction d on `hidden` numbers, clipped before by `clip`. */
static inline void ek_cell_activate(const ek_recurrent_params *p, int32_t d, int32_t which, float clip, float *x)
{
    const int32_t own = 3 * d + which;
    for (int32_t i = 0; i < p->hidden; ++i) {
        x[i] = ek_cell_one(p->kind[own], p->alpha[own], p->beta[own], ek_between(x[i], -clip, clip));
    }
}

/* acc + x[0] * w[0] + x[1] * w[1] + .., one after the other. */
static inline float ek_cell_dot(float acc, int32_t count, const float *x, const float *w)
{
    for (int32_t i = 0; i < count; ++i) {
        acc += x[i] * w[i];
    }
    return acc;
}

/* y = x times the rows of w, then h times the rows of r, then both biases, where they are not null. */
static inline void ek_cell_sums(const ek_recurrent_params *p, int32_t rows, const float *x, const float *w,
                                const float *h, const float *r, const float *bias_w, const float *bias_r, float *y)
{
    for (int32_t j = 0; j < rows; ++j) {
        float acc = ek_cell_dot(0.0f, p->inputs, x, w + (ptrdiff_t)j * p->inputs);
        acc = ek_cell_dot(acc, p->hidden, h, r + (ptrdiff_t)j * p->hidden);
        if (bias_w) {
            acc += bias_w[j];
        }
        if (bias_r) {
            acc += bias_r[j];
        }
        y[j] = acc;
    }
}

/* A state from the initial one of direction d and batch b, or zeros. */
static inline void ek_cell_start(const ek_recurrent_params *p, const float *initial, int32_t d, int32_t b, float *state)
{
    for (int32_t i = 0; i < p->hidden; ++i) {
        state[i] = initial ? initial[((ptrdiff_t)d * p->batch + b) * p->hidden + i] : 0.0f;
    }
}

static inline void ek_cell_store(const ek_recurrent_params *p, const float *state, int32_t d, int32_t b, float *y)
{
    if (y) {
        memcpy(y + ((ptrdiff_t)d * p->batch + b) * p->hidden, state, (size_t)p->hidden * sizeof *y);
    }
}

static inline int32_t ek_cell_length(const ek_recurrent_params *p, const int32_t *lengths, int32_t b)
{
    const int32_t length = lengths ? lengths[b] : p->time;
    return length < 0 ? 0 : (length > p->time ? p->time : length);
}

/* When step s of a sequence of `length` is. */
static inline int32_t ek_cell_time(const ek_recurrent_params *p, int32_t d, int32_t s, int32_t length)
{
    return d == 1 || p->reverse ? length - 1 - s : s;
}

/* y[t,d,b,:] = state, or zeros beyond the sequence, where state is null. */
static inline void ek_cell_output(const ek_recurrent_params *p, const float *state, int32_t t, int32_t d, int32_t b,
                                  float *y)
{
    if (!y) {
        return;
    }
    float *row = y + (((ptrdiff_t)t * p->directions + d) * p->batch + b) * p->hidden;
    for (int32_t i = 0; i < p->hidden; ++i) {
        row[i] = state ? state[i] : 0.0f;
    }
}

#ifdef __cplusplus
}
#endif
#endif
