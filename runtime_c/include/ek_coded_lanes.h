/* Coded weights (ek_coding.h, in pairs) as 16-bit lanes: a table has two lanes for each field of two codes, so that a
 * field costs two instructions, whatever its codes stand for. With 3 bits a byte behind the codes is read. */
#ifndef EK_CODED_LANES_H
#define EK_CODED_LANES_H

#include "ek_coding.h"
#include "ek_columns.h"

/* A layer's weights. fields: EK_FIELDS words of scratch. */
typedef struct {
    const ek_coding *coding;
    const uint8_t *w;
    const uint32_t *channels;
    int32_t quads, offset; /* of a channel; twice the output's zero point plus one */
    uint32_t *fields;
} ek_coded_layer;

#define EK_FIELDS(bits) (UINT32_C(1) << (2 * (bits)))

#ifdef __cplusplus
extern "C" {
#endif

/* Fills the table. */
void ek_make_fields(const ek_coded_layer *layer);

/* The tile of pairs of channels from pair `first`, as of ek_widen_channels: an ek_widen of an ek_coded_layer. */
void ek_widen_coded(void *layer, int32_t first, int32_t pairs, uint32_t *tile);

/* Dot products of a pair of channels with a row of lanes, added to acc. lanes: per quad inputs 0 and 2, then 1 and 3.
 */
void ek_dot_coded(const ek_coded_layer *layer, int32_t pair, const uint32_t *lanes, int32_t acc[2]);

#ifdef __cplusplus
}
#endif
#endif
