#include "ek_kernels.h"

/* Code `index` of codes in their order; it may begin in one byte and end in the next. */
static uint32_t code_at(const uint8_t *w, int32_t index, int32_t bits)
{
    const int32_t place = index * bits, shift = place & 7;
    uint32_t word = w[place >> 3];
    if (shift + bits > 8) {
        word |= (uint32_t)w[(place >> 3) + 1] << 8;
    }
    return (word >> shift) & ((UINT32_C(1) << bits) - 1u);
}

void ek_decode_groups(const ek_coding *coding, const ek_decode_params *p, const uint8_t *w, int8_t *to)
{
    const uint8_t *codes = w + coding->tables;
    for (int32_t channel = 0; channel < p->channels; ++channel) {
        const int8_t *table = ek_levels_of(coding, w, channel);
        for (int32_t tap = 0; tap < p->taps; ++tap) {
            const int32_t place = channel * p->channel_step + tap * p->tap_step;
            to[place] = table[code_at(codes, place, coding->bits)];
        }
    }
}
