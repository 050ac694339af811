#include "ek_decode.h"
#include "ek_row_windows.h"

/* Makes pairs of channels from channel `first`: int8 rows, and records as of ek_rows.h. */
static void decode_channels(const ek_conv_params *p, const ek_coding *coding, int32_t inputs, int32_t first,
                            int32_t pairs, const uint8_t *w, const uint32_t *channels, ek_channel *records,
                            int8_t *rows)
{
    const uint8_t *tables = w;
    w += coding->tables + (first >> 1) * ek_pair_bytes(coding, inputs);
    for (; pairs > 0; --pairs) {
        int32_t sums[2];
        ek_decode_pair(coding->bits, ek_levels_of(coding, tables, first), inputs, w, rows, sums);
        for (int32_t i = 0; i < 2; ++i) {
            *records = ek_coded_channel(coding, channels, first++);
            records->bias = (int32_t)((uint32_t)records->bias - (uint32_t)(p->input_zero * sums[i]));
            ++records;
        }
        rows += 2 * inputs;
        w += ek_pair_bytes(coding, inputs);
    }
}

EK_INLINE void convolve(const ek_conv_params *p, ek_coded_tile tile, const ek_coding *coding, const int8_t *x,
                        const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch, int32_t rounding)
{
    const ek_window *g = &p->window;
    const int32_t inputs = g->kernel_h * g->kernel_w * g->in_c, outputs = g->out_c;
    ek_channel *records = (ek_channel *)scratch;
    int8_t *rows = (int8_t *)(records + 2 * tile.pairs), *windows = rows + 2 * tile.pairs * inputs;
    ek_row_layer layer = {inputs, 0, 0, rows, records, p->out};
    for (int32_t first = 0; first < outputs; first += 2 * tile.pairs) {
        const int32_t left = outputs - first;
        layer.outputs = left < 2 * tile.pairs ? left : 2 * tile.pairs;
        decode_channels(p, coding, inputs, first, (layer.outputs + 1) >> 1, w, channels, records, rows);
        ek_convolve_rows(p, tile.windows == 2, x, g->in_c, &layer, y + first, windows, rounding);
    }
}

#define CONVOLVE(name, rounding)                                                                                       \
    void name(const ek_conv_params *p, const ek_coded_tile *tile, const ek_coding *coding, const int8_t *x,            \
              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)                                    \
    {                                                                                                                  \
        convolve(p, *tile, coding, x, w, channels, y, scratch, rounding);                                              \
    }

CONVOLVE(ek_conv2d_coded_any, EK_ANY)
CONVOLVE(ek_conv2d_coded_once, EK_ONCE_EACH)
CONVOLVE(ek_conv2d_coded_twice, EK_TWICE_EACH)
