/* Coded weights (ek_coding.h, in pairs) as 16-bit lanes: a table has two lanes for each field of two codes, so that a
 * field costs two instructions, whatever its codes stand for. With 3 bits a byte behind the codes is read. */
#ifndef EK_CODED_LANES_H
#define EK_CODED_LANES_H

#include "ek_coded_fields.h"
#include "ek_coding.h"
#include "ek_columns.h"

/* A layer's weights. fields: EK_FIELDS words of scratch, filled for the levels that `made` is. */
typedef struct {
    const ek_coding *coding;
    const uint8_t *w;
    const uint32_t *channels;
    int32_t quads, offset; /* of a channel; twice the output's zero point plus one */
    uint32_t *fields;
    const int8_t *made;
} ek_coded_layer;

/* The layer with its table filled for the first channel. */
static inline ek_coded_layer ek_coded_start(const ek_coding *coding, const uint8_t *w, const uint32_t *channels,
                                            int32_t quads, int32_t offset, void *scratch)
{
    const ek_coded_layer layer = {coding, w, channels, quads, offset, (uint32_t *)scratch, ek_levels_of(coding, w, 0)};
    ek_make_fields(coding->bits, layer.made, layer.fields);
    return layer;
}

/* Fills the table for a channel, where it has other levels. */
static inline void ek_ready_fields(ek_coded_layer *layer, int32_t channel)
{
    if (layer->coding->tables != 0) {
        const int8_t *levels = ek_levels_of(layer->coding, layer->w, channel);
        if (levels != layer->made) {
            ek_make_fields(layer->coding->bits, levels, layer->fields);
            layer->made = levels;
        }
    }
}

#ifdef __cplusplus
extern "C" {
#endif

/* The tile of pairs of channels from pair `first`, as of ek_widen_channels: an ek_widen of an ek_coded_layer. */
void ek_widen_coded(void *layer, int32_t first, int32_t pairs, uint32_t *tile);

/* Dot products of a pair of channels with a row of lanes, by the table as it is, added to acc. lanes: per quad inputs 0
 * and 2, then 1 and 3.
 */
void ek_dot_coded(const ek_coded_layer *layer, int32_t pair, const uint32_t *lanes, int32_t acc[2]);

#ifdef __cplusplus
}
#endif
#endif
