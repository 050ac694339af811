#include "ek_recurrent.h"

void ek_rnn_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                const int32_t *lengths, const float *h0, float *y, float *y_h, void *scratch)
{
    const int32_t n = p->hidden;
    float *h = scratch;
    float *next = h + n;
    for (int32_t d = 0; d < p->directions; ++d) {
        const float *wd = w + (ptrdiff_t)d * n * p->inputs;
        const float *rd = r + (ptrdiff_t)d * n * n;
        const float *bd = bias ? bias + (ptrdiff_t)d * 2 * n : bias;
        for (int32_t b = 0; b < p->batch; ++b) {
            const int32_t length = ek_cell_length(p, lengths, b);
            ek_cell_start(p, h0, d, b, h);
            for (int32_t s = 0; s < length; ++s) {
                const int32_t t = ek_cell_time(p, d, s, length);
                const float *xt = x + ((ptrdiff_t)t * p->batch + b) * p->inputs;
                ek_cell_sums(p, n, xt, wd, h, rd, bd, bd ? bd + n : bd, next);
                ek_cell_activate(p, d, 0, p->clip, next);
                memcpy(h, next, (size_t)n * sizeof *h);
                ek_cell_output(p, h, t, d, b, y);
            }
            for (int32_t t = length; t < p->time; ++t) {
                ek_cell_output(p, (const float *)0, t, d, b, y);
            }
            ek_cell_store(p, h, d, b, y_h);
        }
    }
}
