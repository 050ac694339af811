/* Windows over up to three spatial axes of plain numbers in the layout [N, C, spatial]; fewer axes have ones in front.
 * edgekit/ops/spatial.py defines the same walks. */
#ifndef EK_SPATIAL_H
#define EK_SPATIAL_H

#include "ek_elementwise.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EK_SPATIAL 3

/* Narrow position i of an axis meets wide position i * stride + k * dilation - before for every k of the kernel. */
typedef struct {
    int32_t wide[EK_SPATIAL], narrow[EK_SPATIAL], kernel[EK_SPATIAL];
    int32_t stride[EK_SPATIAL], dilation[EK_SPATIAL], before[EK_SPATIAL];
} ek_grid;

/* Where a place of the kernel meets both tensors: first positions and how many per axis. */
typedef struct {
    int32_t wide[EK_SPATIAL], narrow[EK_SPATIAL], count[EK_SPATIAL];
} ek_tap;

static inline int32_t ek_volume(const int32_t *shape)
{
    return shape[0] * shape[1] * shape[2];
}

/* The tap of place `place` of the kernel in row-major order; 0 where it lies in the padding for every window. */
static inline int32_t ek_tap_at(const ek_grid *g, int32_t place, ek_tap *tap)
{
    for (int32_t axis = EK_SPATIAL - 1; axis >= 0; --axis) {
        const int32_t stride = g->stride[axis];
        const int32_t first = place % g->kernel[axis] * g->dilation[axis] - g->before[axis];
        const int32_t room = g->wide[axis] - first;
        int32_t end = room > 0 ? (room - 1) / stride + 1 : 0;
        end = end < g->narrow[axis] ? end : g->narrow[axis];
        tap->narrow[axis] = first < 0 ? (-first - 1) / stride + 1 : 0;
        tap->wide[axis] = first + tap->narrow[axis] * stride;
        tap->count[axis] = end - tap->narrow[axis];
        if (tap->count[axis] <= 0) {
            return 0;
        }
        place /= g->kernel[axis];
    }
    return 1;
}

/* The row-major offsets of row (z, r) of a tap in the wide and the narrow tensor. */
static inline ptrdiff_t ek_tap_wide(const ek_grid *g, const ek_tap *t, int32_t z, int32_t r)
{
    const ptrdiff_t plane = t->wide[0] + (ptrdiff_t)z * g->stride[0];
    return (plane * g->wide[1] + t->wide[1] + (ptrdiff_t)r * g->stride[1]) * g->wide[2] + t->wide[2];
}

static inline ptrdiff_t ek_tap_narrow(const ek_grid *g, const ek_tap *t, int32_t z, int32_t r)
{
    return ((ptrdiff_t)(t->narrow[0] + z) * g->narrow[1] + t->narrow[1] + r) * g->narrow[2] + t->narrow[2];
}

typedef struct {
    ek_grid grid;
    int32_t batch, groups, in_c, out_c;
} ek_conv_spatial_params;

/* Types of convolutions: X(suffix, type, type of sums). */
#define EK_CONV_TYPES(X) X(f32, float, float) X(f64, double, double) X(i32, int32_t, uint32_t)

/* Weights [O,C/G,kernel] for conv, [C,O/G,kernel] for conv_transpose; bias may be 0. */
#define EK_DECLARE_CONV(s, type, wide)                                                                                 \
    void ek_conv_##s(const ek_conv_spatial_params *p, const type *x, const type *w, const type *bias, type *y);        \
    void ek_conv_transpose_##s(const ek_conv_spatial_params *p, const type *x, const type *w, const type *bias,        \
                               type *y);
EK_CONV_TYPES(EK_DECLARE_CONV)

typedef struct {
    ek_grid grid;
    int32_t planes;          /* batch times channels */
    int32_t divides, padded; /* avg: by how many places lie in the input, or in the padded input */
    int32_t after[EK_SPATIAL];
    int32_t index_step[EK_SPATIAL]; /* max: what a step along each axis adds to a position */
} ek_pool_spatial_params;

void ek_avg_pool_f32(const ek_pool_spatial_params *p, const float *x, float *y);
void ek_avg_pool_f64(const ek_pool_spatial_params *p, const double *x, double *y);

/* `positions` of the maxima in x, or 0. */
void ek_max_pool_f32(const ek_pool_spatial_params *p, const float *x, float *y, int64_t *positions);
void ek_max_pool_f64(const ek_pool_spatial_params *p, const double *x, double *y, int64_t *positions);
void ek_max_pool_i8(const ek_pool_spatial_params *p, const int8_t *x, int8_t *y, int64_t *positions);
void ek_max_pool_u8(const ek_pool_spatial_params *p, const uint8_t *x, uint8_t *y, int64_t *positions);

/* y is `size` zeros, with x[i] at positions[i]; positions outside y are left out. */
void ek_max_unpool_8(int32_t count, int32_t size, const uint8_t *x, const int64_t *positions, uint8_t *y);
void ek_max_unpool_32(int32_t count, int32_t size, const uint32_t *x, const int64_t *positions, uint32_t *y);
void ek_max_unpool_64(int32_t count, int32_t size, const uint64_t *x, const int64_t *positions, uint64_t *y);

/* Rows of `width` elements. Element i of x meets element i / repeats % count of scale and bias, which may be 0. */
typedef struct {
    int32_t rows, width, centred;
    float epsilon;
    int32_t scale_count, scale_repeats, bias_count, bias_repeats;
} ek_layer_norm_params;

/* y may be x. */
void ek_layer_norm_f32(const ek_layer_norm_params *p, const float *x, const float *scale, const float *bias, float *y);

/* `outer` blocks of `in` rows of `inner` elements become blocks of `out` rows: row o is the sum over its taps of a
 * weight times the row at a place. Tables [out,taps], places below `in`. */
typedef struct {
    int32_t outer, in, out, inner, taps;
    int32_t zero_point; /* of codes */
} ek_resample_params;

/* Weights in units of 2^-14, at most 64 taps. */
void ek_resample_s8(const ek_resample_params *p, const int8_t *x, const int32_t *places, const int16_t *weights,
                    int8_t *y);

void ek_resample_f32(const ek_resample_params *p, const float *x, const int32_t *places, const float *weights,
                     float *y);

/* x [N,C,shape], grid [N,points,axes] of positions from -1 to 1, last axis first. `mode` 0 nearest, 1 linear, 2 cubic;
 * `padding` 0 zeros, 1 border, 2 reflection; `aligned` as ek_sampling.h says. */
typedef struct {
    int32_t shape[EK_SPATIAL];
    int32_t batch, channels, points, axes;
    int32_t mode, padding, aligned;
} ek_grid_sample_params;

void ek_grid_sample_f32(const ek_grid_sample_params *p, const float *x, const float *grid, float *y);

/* Two axes, the last of the grid's. Weights [O,C/G,kernel], offsets [N,OG*kernel*2,OH,OW], bias and mask may be 0. */
typedef struct {
    ek_grid grid;
    int32_t batch, groups, in_c, out_c, offset_groups;
} ek_deform_conv_params;

void ek_deform_conv_f32(const ek_deform_conv_params *p, const float *x, const float *w, const float *offsets,
                        const float *bias, const float *mask, float *y);

/* Planes of [kernel,narrow] into planes of [wide]. */
void ek_col2im_f32(const ek_pool_spatial_params *p, const float *x, float *y);

/* Samples of a bin per element of the image's axis, at most: no region can make a kernel run for ever. */
#define EK_ROI_SAMPLES 4

typedef struct {
    int32_t batch, channels, regions;
    int32_t in[2], out[2];
    int32_t samples; /* of a bin along an axis; 0: as many as it has elements */
    int32_t half_pixel, max;
    float scale;
} ek_roi_align_params;

/* Regions (left, top, right, bottom) of images; an image outside the batch is moved to its nearest end. */
void ek_roi_align_f32(const ek_roi_align_params *p, const float *x, const float *regions, const int64_t *images,
                      float *y);

#ifdef __cplusplus
}
#endif
#endif
