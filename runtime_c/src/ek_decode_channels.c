#include "ek_kernels.h"

void ek_decode_channels(const ek_coding *coding, const ek_decode_params *p, const int8_t *weights,
                        const uint32_t *channels, ek_channel *to)
{
    for (int32_t channel = 0; channel < p->channels; ++channel) {
        int32_t sum = 0;
        for (int32_t tap = 0; tap < p->taps; ++tap) {
            sum += weights[channel * p->channel_step + tap * p->tap_step];
        }
        *to = ek_coded_channel(coding, channels, channel);
        to->bias = (int32_t)((uint32_t)to->bias - (uint32_t)(p->input_zero * sum));
        ++to;
    }
}
