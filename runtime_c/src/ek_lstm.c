#include "ek_recurrent.h"

/* gate += peephole * cell */
static void peep(int32_t n, const float *peephole, const float *cell, float *gate)
{
    for (int32_t j = 0; peephole && j < n; ++j) {
        gate[j] += peephole[j] * cell[j];
    }
}

/* One step: gates holds the input, output and forget gates and the candidate; peepholes stand in the gates' order. */
static void lstm_step(const ek_recurrent_params *p, int32_t d, const float *peepholes, float *h, float *cell,
                      float *gates)
{
    const int32_t n = p->hidden;
    float *input = gates;
    float *output = gates + n;
    float *forget = gates + 2 * n;
    float *candidate = gates + 3 * n;
    peep(n, peepholes, cell, input);
    peep(n, peepholes ? peepholes + 2 * n : peepholes, cell, forget);
    ek_cell_activate(p, d, 0, p->clip, input);
    ek_cell_activate(p, d, 0, p->clip, forget);
    ek_cell_activate(p, d, 1, p->clip, candidate);
    for (int32_t j = 0; j < n; ++j) {
        const float kept = (p->input_forget ? 1.0f - input[j] : forget[j]) * cell[j];
        cell[j] = kept + input[j] * candidate[j];
        candidate[j] = cell[j];
    }
    peep(n, peepholes ? peepholes + n : peepholes, cell, output);
    ek_cell_activate(p, d, 0, p->clip, output);
    ek_cell_activate(p, d, 2, EK_INF_F32, candidate);
    for (int32_t j = 0; j < n; ++j) {
        h[j] = output[j] * candidate[j];
    }
}

void ek_lstm_f32(const ek_recurrent_params *p, const float *x, const float *w, const float *r, const float *bias,
                 const int32_t *lengths, const float *h0, const float *c0, const float *peepholes, float *y, float *y_h,
                 float *y_c, void *scratch)
{
    const int32_t n = p->hidden;
    float *h = scratch;
    float *cell = h + n;
    float *gates = h + 2 * n;
    for (int32_t d = 0; d < p->directions; ++d) {
        const float *wd = w + (ptrdiff_t)d * 4 * n * p->inputs;
        const float *rd = r + (ptrdiff_t)d * 4 * n * n;
        const float *bd = bias ? bias + (ptrdiff_t)d * 8 * n : bias;
        for (int32_t b = 0; b < p->batch; ++b) {
            const int32_t length = ek_cell_length(p, lengths, b);
            ek_cell_start(p, h0, d, b, h);
            ek_cell_start(p, c0, d, b, cell);
            for (int32_t s = 0; s < length; ++s) {
                const int32_t t = ek_cell_time(p, d, s, length);
                const float *xt = x + ((ptrdiff_t)t * p->batch + b) * p->inputs;
                ek_cell_sums(p, 4 * n, xt, wd, h, rd, bd, bd ? bd + 4 * n : bd, gates);
                lstm_step(p, d, peepholes ? peepholes + (ptrdiff_t)d * 3 * n : peepholes, h, cell, gates);
                ek_cell_output(p, h, t, d, b, y);
            }
            for (int32_t t = length; t < p->time; ++t) {
                ek_cell_output(p, (const float *)0, t, d, b, y);
            }
            ek_cell_store(p, h, d, b, y_h);
            ek_cell_store(p, cell, d, b, y_c);
        }
    }
}
