#include "ek_coded_lanes.h"

void ek_make_fields(const ek_coded_layer *layer)
{
    const int32_t codes = 1 << layer->coding->bits;
    const int8_t *levels = layer->coding->levels;
    uint32_t *to = layer->fields;
    for (int32_t second = 0; second < codes; ++second) {
        const uint32_t high = (uint32_t)levels[second] << 16;
        for (int32_t first = 0; first < codes; ++first) {
            *to++ = high | ((uint32_t)levels[first] & 0xFFFFu);
        }
    }
}

/* Eight codes; `bits` is a constant in each instance below. */
EK_INLINE uint32_t load_codes(const uint8_t *w, int32_t bits)
{
    if (bits > 2) {
        return ek_load32(w);
    }
    uint16_t codes;
    memcpy(&codes, w, sizeof codes);
    return codes;
}

/* The lanes of a field of eight codes. */
EK_INLINE uint32_t lanes_of(const uint32_t *fields, uint32_t codes, int32_t field, int32_t bits)
{
    return fields[(codes >> (2 * bits * field)) & (EK_FIELDS(bits) - 1u)];
}

EK_INLINE void widen(const uint32_t *fields, const uint8_t *w, int32_t quads, uint32_t *to, int32_t bits)
{
    for (; quads > 0; --quads) {
        const uint32_t codes = load_codes(w, bits);
        to[0] = lanes_of(fields, codes, 0, bits);
        to[1] = lanes_of(fields, codes, 1, bits);
        to[2] = lanes_of(fields, codes, 2, bits);
        to[3] = lanes_of(fields, codes, 3, bits);
        w += bits;
        to += 4;
    }
}

EK_INLINE void dot(const uint32_t *fields, const uint8_t *w, int32_t quads, const uint32_t *lanes, int32_t acc[2],
                   int32_t bits)
{
    int32_t first = acc[0], second = acc[1];
    for (; quads > 0; --quads) {
        const uint32_t codes = load_codes(w, bits), even = lanes[0], odd = lanes[1];
        first = ek_smlad(lanes_of(fields, codes, 0, bits), even, first);
        first = ek_smlad(lanes_of(fields, codes, 1, bits), odd, first);
        second = ek_smlad(lanes_of(fields, codes, 2, bits), even, second);
        second = ek_smlad(lanes_of(fields, codes, 3, bits), odd, second);
        w += bits;
        lanes += 2;
    }
    acc[0] = first;
    acc[1] = second;
}

void ek_widen_coded(void *layer, int32_t first, int32_t pairs, uint32_t *tile)
{
    const ek_coded_layer *s = (const ek_coded_layer *)layer;
    const int32_t bits = s->coding->bits, quads = s->quads;
    const uint8_t *w = s->w + first * quads * bits;
    for (int32_t channel = 2 * first; channel < 2 * (first + pairs); channel += 2) {
        const ek_channel channels[2] = {ek_coded_channel(s->coding, s->channels, channel),
                                        ek_coded_channel(s->coding, s->channels, channel + 1)};
        *tile++ = (uint32_t)channels[0].bias;
        *tile++ = (uint32_t)channels[1].bias;
        if (bits == 4) {
            widen(s->fields, w, quads, tile, 4);
        } else if (bits == 3) {
            widen(s->fields, w, quads, tile, 3);
        } else {
            widen(s->fields, w, quads, tile, 2);
        }
        w += quads * bits;
        tile = ek_put_constants(channels, s->offset, tile + 4 * quads);
    }
}

void ek_dot_coded(const ek_coded_layer *layer, int32_t pair, const uint32_t *lanes, int32_t acc[2])
{
    const int32_t bits = layer->coding->bits, quads = layer->quads;
    const uint8_t *w = layer->w + pair * quads * bits;
    if (bits == 4) {
        dot(layer->fields, w, quads, lanes, acc, 4);
    } else if (bits == 3) {
        dot(layer->fields, w, quads, lanes, acc, 3);
    } else {
        dot(layer->fields, w, quads, lanes, acc, 2);
    }
}
