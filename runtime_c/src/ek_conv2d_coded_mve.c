#include "ek_coded_dots.h"
#include "ek_convolution_mve.h"

EK_INLINE void convolve(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                        const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch, ek_dots_run *run)
{
    const int32_t inputs = ek_window_inputs(p), chunks = (inputs + 15) >> 4, outputs = p->window.out_c;
    int32_t *table = (int32_t *)scratch;
    int8_t *columns = (int8_t *)(table + fours * EK_FOUR_WORDS(chunks));
    for (int32_t first = 0; first < outputs; first += 4 * fours) {
        const int32_t count = outputs - first < 4 * fours ? outputs - first : 4 * fours;
        ek_decode_fours(coding, w, channels, first, (count + 3) >> 2, chunks, p->input_zero, table);
        ek_dots_layer layer = ek_dots_start(table, inputs, count, outputs, p->out);
        ek_convolve_dots(p, x, &layer, y + first, columns, run);
    }
}

void ek_conv2d_coded_mve_twice(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                               const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)
{
    convolve(p, fours, coding, x, w, channels, y, scratch, ek_dots_twice);
}

void ek_conv2d_coded_mve_once(const ek_conv_params *p, int32_t fours, const ek_coding *coding, const int8_t *x,
                              const uint8_t *w, const uint32_t *channels, int8_t *y, void *scratch)
{
    convolve(p, fours, coding, x, w, channels, y, scratch, ek_dots_once);
}
