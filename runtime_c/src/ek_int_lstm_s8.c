#include "ek_fixed_point_16.h"
#include "ek_integer_recurrent.h"

enum { INPUT, FORGET, CELL, OUTPUT };

static int32_t product(int32_t width, const int8_t *x, const int8_t *w, int32_t bias)
{
    for (int32_t i = 0; i < width; ++i) {
        bias += x[i] * w[i];
    }
    return bias;
}

/* Gates [4,units] of one step, before their functions. */
static void sum_gates(const ek_int_lstm_params *p, const int8_t *x, const int8_t *state, const int8_t *weights,
                      const int8_t *recurrent, const int32_t *biases, const ek_rescale *scales, int16_t *gates)
{
    const int32_t count = p->coupled ? 3 : 4;
    int16_t *gate = gates + (4 - count) * p->units;
    for (int32_t g = 0; g < count; ++g) {
        for (int32_t u = 0; u < p->units; ++u) {
            const int32_t fed = product(p->inputs, x, weights, biases[g * p->units + u]);
            const int32_t back = product(p->outputs, state, recurrent, biases[(count + g) * p->units + u]);
            const int32_t first = ek_saturated_16(ek_rescaled(fed, &scales[g]));
            *gate++ = (int16_t)ek_saturated_16(first + ek_rescaled(back, &scales[count + g]));
            weights += p->inputs;
            recurrent += p->outputs;
        }
    }
}

/* The cell state after one step, and codes of what it shows. */
static void update_cell(const ek_int_lstm_params *p, const int16_t *gates, int16_t *cell, int8_t *hidden)
{
    for (int32_t u = 0; u < p->units; ++u) {
        const int32_t forget = ek_sigmoid_16(gates[FORGET * p->units + u]);
        const int32_t take = p->coupled ? INT16_MAX - forget : ek_sigmoid_16(gates[INPUT * p->units + u]);
        const int32_t fresh = take * ek_tanh_16(gates[CELL * p->units + u], 3);
        const int32_t kept = ek_divide_by_pot(forget * cell[u], 15);
        int32_t next = ek_saturated_16(kept + ek_divide_by_pot(fresh, (uint32_t)(15 + p->cell_bits)));
        if (p->cell_clip) {
            next = ek_clamp(next, -p->cell_clip, p->cell_clip);
        }
        cell[u] = (int16_t)next;
        const int32_t shown = ek_sigmoid_16(gates[OUTPUT * p->units + u]) * ek_tanh_16(next, p->cell_bits);
        hidden[u] = (int8_t)ek_clamp(ek_rescaled(shown, &p->hidden) + p->hidden_offset, -128, 127);
    }
}

static void project(const ek_int_lstm_params *p, const int8_t *hidden, const int8_t *projection, const int32_t *biases,
                    int8_t *state)
{
    for (int32_t o = 0; o < p->outputs; ++o) {
        const int32_t sum = product(p->units, hidden, projection, biases[o]);
        int32_t code = ek_clamp(ek_rescaled(sum, &p->projection) + p->output_zero, -128, 127);
        if (p->projection_clip) {
            code = ek_clamp(code, -p->projection_clip, p->projection_clip);
        }
        state[o] = (int8_t)code;
        projection += p->units;
    }
}

void ek_int_lstm_s8(const ek_int_lstm_params *p, const int8_t *x, const int8_t *weights, const int8_t *recurrent,
                    const int32_t *biases, const ek_rescale *scales, const int8_t *projection,
                    const int32_t *projection_bias, int8_t *y, void *scratch)
{
    int16_t *cell = scratch;
    int16_t *gates = cell + p->units;
    int8_t *hidden = (int8_t *)(gates + 4 * p->units);
    int8_t *state = hidden + p->units;
    for (int32_t b = 0; b < p->batch; ++b) {
        for (int32_t u = 0; u < p->units; ++u) {
            cell[u] = 0;
        }
        for (int32_t o = 0; o < p->outputs; ++o) {
            state[o] = (int8_t)p->output_zero;
        }
        for (int32_t t = 0; t < p->steps; ++t) {
            const int32_t row = t * p->time_rows + b * p->batch_rows;
            sum_gates(p, x + row * p->inputs, state, weights, recurrent, biases, scales, gates);
            update_cell(p, gates, cell, projection ? hidden : state);
            if (projection) {
                project(p, hidden, projection, projection_bias, state);
            }
            for (int32_t o = 0; o < p->outputs; ++o) {
                y[row * p->outputs + o] = state[o];
            }
        }
    }
}
