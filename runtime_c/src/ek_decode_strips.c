#include "ek_decode.h"
#include "ek_kernels.h"
#include "ek_strips.h"

/* Where the other windows of a dense 3x3 kernel begin in a strip of four rows. */
static const uint8_t PLACES[3] = {4, 1, 5};

void ek_decode_strips(const ek_coding *coding, const ek_strip_codes *p, const uint8_t *w, const uint32_t *channels,
                      int32_t *table)
{
    const int32_t codes = p->codes;
    const uint8_t *tables = w;
    w += coding->tables;
    for (int32_t c = 0; c < p->channels; ++c) {
        int8_t *weights = (int8_t *)table;
        int32_t sum = 0;
        ek_decode_codes(coding->bits, ek_levels_of(coding, tables, c), codes, w, weights);
        for (int32_t i = 0; i < codes; ++i) {
            if ((i & (p->rows - 1)) >= p->size || i >= p->rows * p->size) {
                weights[i] = 0;
            }
            sum += weights[i];
        }
        for (int32_t place = 0; place < p->places - 1; ++place) {
            for (int32_t i = 0; i < codes; ++i) {
                weights[codes * (place + 1) + i] = i < PLACES[place] ? 0 : weights[i - PLACES[place]];
            }
        }
        const ek_channel channel = ek_coded_channel(coding, channels, c);
        table += codes * p->places >> 2;
        *table++ = (int32_t)((uint32_t)channel.bias - (uint32_t)(p->input_zero * sum));
        *table++ = channel.multiplier;
        *table++ = -(int32_t)channel.right;
        w += (codes >> 3) * coding->bits;
    }
}
