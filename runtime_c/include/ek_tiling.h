#ifndef EK_TILING_H
#define EK_TILING_H

#include <stdint.h>

/* How a layer of products is cut so that its scratch memory fits: `tile_pairs` pairs of output channels and
 * `group_pairs` pairs of pixels are widened to 16 bit at a time. With tiles_outer all pixels are gathered again for
 * every tile; without it all channels are widened again for every group of pixels. */
typedef struct {
    int32_t tile_pairs, group_pairs, tiles_outer;
} ek_tiling;

#endif
