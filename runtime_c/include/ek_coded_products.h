/* Convolutions and linear layers of coded weights (ek_coding.h), and what decodes those for other kernels. */
#ifndef EK_CODED_PRODUCTS_H
#define EK_CODED_PRODUCTS_H

#include "ek_coding.h"
#include "ek_int8_products.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As ek_conv2d_s8_*, of coded weights in pairs (ek_coding.h), one group, weights without a zero point. How many pairs
 * of channels are decoded at a time, and how many windows are gathered, where they are. Scratch: an ek_channel and a
 * row of int8 weights for each channel of those pairs, then the windows. */
typedef struct {
    int32_t pairs, windows;
} ek_coded_tile;

void ek_conv2d_coded_once(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                          const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_twice(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                           const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_any(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,
                         const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* As ek_conv2d_s8_dsp_*, of coded weights in pairs. Scratch: the table of ek_coded_lanes.h, then theirs. Records of
 * channels are wide for any rounding. */
void ek_conv2d_coded_dsp_once(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_once_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                      const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                      void *scratch);
void ek_conv2d_coded_dsp_once_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                     const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                     void *scratch);
void ek_conv2d_coded_dsp_twice(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                               const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_twice_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                       const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                       void *scratch);
void ek_conv2d_coded_dsp_twice_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                      const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                      void *scratch);
void ek_conv2d_coded_dsp_any(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x,
                             const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* As ek_conv2d_s8_mve_*, of coded weights (ek_coded_dots.h), of which `fours` times four channels are decoded at a
 * time. Scratch: their table, then two windows. */
void ek_conv2d_coded_mve_once(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_mve_twice(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                               const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* As ek_fully_connected_s8_dsp, of one row and coded weights in pairs. Scratch: the table of ek_coded_lanes.h, then
 * as there. */
void ek_fully_connected_coded_dsp(const ek_fully_connected_params *p, const ek_coding *coding, const int8_t *x,
                                  const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch);

/* As ek_fully_connected_s8_mve_*, of coded weights (ek_coded_dots.h), of which `fours` times four channels are decoded
 * at a time. Scratch: their table. */
void ek_fully_connected_coded_mve_once(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding,
                                       const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                       void *scratch);
void ek_fully_connected_coded_mve_twice(const ek_fully_connected_params *p, int32_t fours, const ek_coding *coding,
                                        const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y,
                                        void *scratch);
void ek_fully_connected_coded_mve_single_once(const ek_fully_connected_params *p, int32_t fours,
                                              const ek_coding *coding, const int8_t *x, const uint8_t *w,
                                              const uint32_t *channels, int8_t *y, void *scratch);
void ek_fully_connected_coded_mve_single_twice(const ek_fully_connected_params *p, int32_t fours,
                                               const ek_coding *coding, const int8_t *x, const uint8_t *w,
                                               const uint32_t *channels, int8_t *y, void *scratch);

/* For layers whose kernels read int8 weights: a number of coded weights in their order, all channels of which share
 * levels. */
void ek_decode_weights(const ek_coding *coding, int32_t count, const uint8_t *w, int8_t *to);

/* And their channels, each of `taps` weights: from weight to weight of a channel, and from channel to channel, are so
 * many. The input's zero point times the sum of its weights is taken off a bias. */
typedef struct {
    int32_t channels, taps;
    int32_t channel_step, tap_step;
    int32_t input_zero;
} ek_decode_params;

/* Weights in their order, of channels that share levels in groups. */
void ek_decode_groups(const ek_coding *coding, const ek_decode_params *p, const uint8_t *w, int8_t *to);

void ek_decode_channels(const ek_coding *coding, const ek_decode_params *p, const int8_t *weights,
                        const uint32_t *channels, ek_channel *to);

/* The codes of a depthwise layer as strips have them: per channel `codes`, those of one of `places`, in columns of
 * `rows`. The first `size` of each of the first `size` columns are weights; what the other codes are does not matter.
 */
typedef struct {
    int32_t channels, codes, places;
    int32_t rows, size;
    int32_t input_zero;
} ek_strip_codes;

/* The table of ek_strips.h. */
void ek_decode_strips(const ek_coding *coding, const ek_strip_codes *p, const uint8_t *w, const uint32_t *channels,
                      int32_t *table);

#ifdef __cplusplus
}
#endif
#endif
