#ifndef EK_TILING_H
#define EK_TILING_H

#include <stdint.h>

/* How a layer of products is cut so that its scratch memory fits: `tile_pairs` pairs of output channels and
 * `group_pairs` pairs of pixels are widened to 16 bit at a time. With tiles_outer all pixels are gathered again for
 * every tile; without it all channels are widened again for every group of pixels. `fours`: how many times four pixels
 * of a group go together (ek_fours.h); the others go by twos. */
typedef struct {
    int32_t tile_pairs, group_pairs, tiles_outer, fours;
} ek_tiling;

#endif
