/* Convolutions and linear layers whose input is codes of a grid (ek_levels.h). */
#ifndef EK_LEVEL_PRODUCTS_H
#define EK_LEVEL_PRODUCTS_H

#include "ek_coded_products.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As ek_conv2d_s8_dsp_*, of a 1x1 convolution at stride 1 without padding. */
void ek_conv2d_s8_dsp_levels_once(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *x,
                                  const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);
void ek_conv2d_s8_dsp_levels_once_grouped(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels,
                                          const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y,
                                          void *scratch);
void ek_conv2d_s8_dsp_levels_once_beside(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels,
                                         const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y,
                                         void *scratch);
void ek_conv2d_s8_dsp_levels_any(const ek_conv_params *p, const ek_tiling *t, const int16_t *levels, const int8_t *x,
                                 const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

/* The same of coded weights, as ek_conv2d_coded_dsp_*. */
void ek_conv2d_coded_dsp_levels_once(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                     const int16_t *levels, const int8_t *x, const uint8_t *w, const uint32_t *channels,
                                     int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_once_grouped(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                             const int16_t *levels, const int8_t *x, const uint8_t *w,
                                             const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_once_beside(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                            const int16_t *levels, const int8_t *x, const uint8_t *w,
                                            const uint32_t *channels, int8_t *y, void *scratch);
void ek_conv2d_coded_dsp_levels_any(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding,
                                    const int16_t *levels, const int8_t *x, const uint8_t *w, const uint32_t *channels,
                                    int8_t *y, void *scratch);

/* Weights [O,I] and biases as they are. Scratch, 2-byte aligned: a row of levels. */
void ek_fully_connected_levels(const ek_fully_connected_params *p, const int16_t *levels, const int8_t *x,
                               const int8_t *w, const ek_channel *channels, int8_t *y, void *scratch);

#ifdef __cplusplus
}
#endif
#endif
