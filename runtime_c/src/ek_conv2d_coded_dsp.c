#include "ek_coded_lanes.h"
#include "ek_convolution_dsp.h"

#define CONVOLVE(name, rounding, loop)                                                                                 \
    void name(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int8_t *x, const uint8_t *w, \
              const uint32_t *channels, int8_t *y, void *scratch)                                                      \
    {                                                                                                                  \
        ek_coded_layer layer =                                                                                         \
            ek_coded_start(coding, w, channels, ek_window_quads(p), 2 * p->out.zero_point + 1, scratch);               \
        ek_convolve_dsp(p, t, x, ek_widen_coded, &layer, (const ek_channel *)(const void *)channels, y,                \
                        layer.fields + EK_FIELDS(coding->bits), rounding, loop);                                       \
    }

CONVOLVE(ek_conv2d_coded_dsp_once, EK_ONCE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_coded_dsp_once_grouped, EK_ONCE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_coded_dsp_once_beside, EK_ONCE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_coded_dsp_twice, EK_TWICE_EACH, EK_TWOS)
CONVOLVE(ek_conv2d_coded_dsp_twice_grouped, EK_TWICE_EACH, EK_GROUPED)
CONVOLVE(ek_conv2d_coded_dsp_twice_beside, EK_TWICE_EACH, EK_BESIDE)
CONVOLVE(ek_conv2d_coded_dsp_any, EK_ANY, EK_TWOS)

#define CONVOLVE_LEVELS(name, rounding, loop)                                                                          \
    void name(const ek_conv_params *p, const ek_tiling *t, const ek_coding *coding, const int16_t *levels,             \
              const int8_t *x, const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)                   \
    {                                                                                                                  \
        ek_coded_layer layer =                                                                                         \
            ek_coded_start(coding, w, channels, ek_window_quads(p), 2 * p->out.zero_point + 1, scratch);               \
        ek_convolve_levels_dsp(p, t, levels, x, ek_widen_coded, &layer, (const ek_channel *)(const void *)channels, y, \
                               layer.fields + EK_FIELDS(coding->bits), rounding, loop);                                \
    }

CONVOLVE_LEVELS(ek_conv2d_coded_dsp_levels_once, EK_ONCE_EACH, EK_TWOS)
CONVOLVE_LEVELS(ek_conv2d_coded_dsp_levels_once_grouped, EK_ONCE_EACH, EK_GROUPED)
CONVOLVE_LEVELS(ek_conv2d_coded_dsp_levels_once_beside, EK_ONCE_EACH, EK_BESIDE)
CONVOLVE_LEVELS(ek_conv2d_coded_dsp_levels_any, EK_ANY, EK_TWOS)
