#include "ek_coded_lanes.h"
#include "ek_kernels.h"
#include "ek_row_lanes.h"

EK_INLINE void all_channels(const ek_fully_connected_params *p, ek_coded_layer *layer, int8_t *y, const uint32_t *lanes,
                            int32_t twice)
{
    const ek_output out = p->out;
    for (int32_t o = 0; o < p->outputs; o += 2) {
        ek_ready_fields(layer, o);
        const ek_channel channels[2] = {ek_coded_channel(layer->coding, layer->channels, o),
                                        ek_coded_channel(layer->coding, layer->channels, o + 1)};
        int32_t acc[2] = {channels[0].bias, channels[1].bias};
        ek_dot_coded(layer, o >> 1, lanes, acc);
        y[o] = ek_requantize(acc[0], &channels[0], out, twice);
        if (o + 1 < p->outputs) {
            y[o + 1] = ek_requantize(acc[1], &channels[1], out, twice);
        }
    }
}

void ek_fully_connected_coded_dsp(const ek_fully_connected_params *p, const ek_coding *coding, const int8_t *x,
                                  const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)
{
    ek_coded_layer layer = ek_coded_start(coding, w, channels, (p->inputs + 3) >> 2, 0, scratch);
    uint32_t *lanes = layer.fields + EK_FIELDS(coding->bits);
    ek_widen_row(x, p->inputs, p->input_zero, lanes);
    if (p->out.double_rounding) {
        all_channels(p, &layer, y, lanes, 1);
    } else {
        all_channels(p, &layer, y, lanes, 0);
    }
}
