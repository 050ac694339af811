#include "ek_recurrent.h"

/* One step: gates holds z, r and the candidate; `reset` is r * h, or the state's part of the candidate. */
static void gru_step(const ek_recurrent_params *p, int32_t d, const float *x, const float *w, const float *r,
                     const float *bias, float *h, float *gates, float *reset)
{
    const int32_t n = p->hidden;
    float *z = gates;
    float *candidate = gates + 2 * n;
    const float *wh = w + (ptrdiff_t)2 * n * p->inputs;
    const float *rh = r + (ptrdiff_t)2 * n * n;
    ek_cell_sums(p, 2 * n, x, w, h, r, bias, bias ? bias + 3 * n : bias, gates);
    ek_cell_activate(p, d, 0, p->clip, z);
    ek_cell_activate(p, d, 0, p->clip, gates + n);
    for (int32_t j = 0; j < n; ++j) {
        const float state = p->linear_before_reset ? ek_cell_dot(0.0f, n, h, rh + (ptrdiff_t)j * n) : h[j];
        reset[j] = gates[n + j] * (p->linear_before_reset && bias ? state + bias[5 * n + j] : state);
    }
    for (int32_t j = 0; j < n; ++j) {
        float acc = ek_cell_dot(0.0f, p->inputs, x, wh + (ptrdiff_t)j * p->inputs);
        acc = p->linear_before_reset ? acc + reset[j] : ek_cell_dot(acc, n, reset, rh + (ptrdiff_t)j * n);
        if (bias) {
            acc += bias[2 * n + j];
        }
        if (bias && !p->linear_before_reset) {
            acc += bias[5 * n + j];
        }
        candidate[j] = acc;
    }
    ek_cell_activate(p, d, 1, p->clip, candidate);
    for (int32_t j = 0; j < n; ++j) {
        const float fresh = (1.0f - z[j]) * candidate[j];
        h[j] = fresh + z[j] * h[j];
    }
}

void ek_gru_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                const int32_t *lengths, const float *h0, float *y, float *y_h, void *scratch)
{
    const int32_t n = p->hidden;
    float *h = scratch;
    for (int32_t d = 0; d < p->directions; ++d) {
        const float *wd = w + (ptrdiff_t)d * 3 * n * p->inputs;
        const float *rd = r + (ptrdiff_t)d * 3 * n * n;
        const float *bd = bias ? bias + (ptrdiff_t)d * 6 * n : bias;
        for (int32_t b = 0; b < p->batch; ++b) {
            const int32_t length = ek_cell_length(p, lengths, b);
            ek_cell_start(p, h0, d, b, h);
            for (int32_t s = 0; s < length; ++s) {
                const int32_t t = ek_cell_time(p, d, s, length);
                const float *xt = x + ((ptrdiff_t)t * p->batch + b) * p->inputs;
                gru_step(p, d, xt, wd, rd, bd, h, h + n, h + 4 * n);
                ek_cell_output(p, h, t, d, b, y);
            }
            for (int32_t t = length; t < p->time; ++t) {
                ek_cell_output(p, (const float *)0, t, d, b, y);
            }
            ek_cell_store(p, h, d, b, y_h);
        }
    }
}
