#include "ek_strips.h"

typedef void strips_run(const uint32_t *strips, int8_t *y, const ek_strip_run *run);

/* `square` windows make two rows of output at a time, others one; blocks at the end go back over what is done. */
EK_INLINE void convolve(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, uint32_t *strips,
                        int32_t square, strips_run *run)
{
    const ek_window *w = &p->window;
    const int32_t columns = ((w->out_w - 1) * w->stride_w + 7) & ~3, rows = square ? 2 : 1, width = square ? 2 : 4;
    const int32_t rest = w->out_w & (width - 1), y_row = w->out_w * w->out_c;
    ek_strip_run band = {
        table,      4 * columns, w->out_c, y_row, w->out_w / width, rest ? width - rest : 0, p->out.zero_point,
        p->out.low, p->out.high};
    for (int32_t c = 0; c < w->in_c; c += 4) {
        for (int32_t done = 0; done < w->out_h; done += rows) {
            const int32_t row = done + rows > w->out_h ? w->out_h - rows : done;
            ek_fill_strips(p, x + c, row * w->stride_h - w->pad_top, columns, strips);
            run(strips, y + row * y_row + c, &band);
        }
        band.table += 4 * EK_STRIP_WORDS(square ? 4 : 1);
    }
}

void ek_depthwise_3x3_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                   void *scratch)
{
    convolve(p, x, table, y, (uint32_t *)scratch, 1, ek_strips_twice);
}

void ek_depthwise_3x3_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                  void *scratch)
{
    convolve(p, x, table, y, (uint32_t *)scratch, 1, ek_strips_once);
}

void ek_depthwise_3x3_s8_mve_apart_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                         void *scratch)
{
    convolve(p, x, table, y, (uint32_t *)scratch, 0, ek_strips_apart_twice);
}

void ek_depthwise_3x3_s8_mve_apart_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                        void *scratch)
{
    convolve(p, x, table, y, (uint32_t *)scratch, 0, ek_strips_apart_once);
}
