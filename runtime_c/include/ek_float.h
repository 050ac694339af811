/* Products, pooling and softmax in float32. Every output is one accumulator that adds in the order of the weights
 * (kernel rows, columns, channels), the bias last: edgekit/ops defines the same order, so that results are equal bit
 * for bit. */
#ifndef EK_FLOAT_H
#define EK_FLOAT_H

#include "ek_elementwise.h"
#include "ek_window.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Outputs that are computed side by side, each in its own accumulator. */
#define EK_F32_BLOCK 8

typedef struct {
    ek_window window;
    int32_t batch, groups;
    float low, high;
} ek_conv_f32_params;

/* Weights in blocks of EK_F32_BLOCK outputs of one group (the last one may be narrower), per block [KH,KW,I,block]. */
void ek_conv2d_f32(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y);

/* Weights [KH,KW,C*M]. */
void ek_depthwise_conv2d_f32(const ek_conv_f32_params *p, const float *x, const float *w, const float *bias, float *y);

typedef struct {
    int32_t rows, inputs, outputs;
    float low, high;
} ek_fully_connected_f32_params;

/* Weights in blocks as above, per block [I,block]. */
void ek_fully_connected_f32(const ek_fully_connected_f32_params *p, const float *x, const float *w, const float *bias,
                            float *y);

/* Batches of products [M,K] x [K,N]; steps in elements. */
typedef struct {
    ek_binary_params batch;
    int32_t m, k, n;
    int32_t a_row, a_column, b_row, b_column;
} ek_matmul_params;

#define EK_DECLARE_MATMUL(s, type, unused)                                                                             \
    void ek_matmul_##s(const ek_matmul_params *p, const type *a, const type *b, type *y);
EK_NUMBER_TYPES(EK_DECLARE_MATMUL)

typedef struct {
    ek_window window;
    int32_t batch;
    int32_t count_padding; /* avg: divide by the window's part in the padded input, not in the input */
    int32_t pad_bottom, pad_right;
    float low, high;
} ek_pool_f32_params;

void ek_avg_pool2d_f32(const ek_pool_f32_params *p, const float *x, float *y);
void ek_max_pool2d_f32(const ek_pool_f32_params *p, const float *x, float *y);

/* Rows of `width` floats; y may be x. */
void ek_softmax_f32(int32_t rows, int32_t width, float beta, const float *x, float *y);
void ek_log_softmax_f32(int32_t rows, int32_t width, const float *x, float *y);

#ifdef __cplusplus
}
#endif
#endif
