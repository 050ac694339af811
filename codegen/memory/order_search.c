/* The order of steps with the fewest live bytes: best-first search over sets of executed steps (order_search.py).
 *
 * States are taken by the least peak that leads to them, then those with most steps done, then with the fewest live
 * bytes; the first complete one is optimal. A step runs at once if it needs no higher peak and leaves no more bytes
 * than before: in every order that has it later it can come now, since by then no fewer of its inputs can die with it.
 * So does a chain, each step of which reads the one before, if it ends with no more bytes than before it and than
 * anywhere in it (the segments of J. W. H. Liu, "An application of generalized tree pebbling to sparse matrix
 * factorization", 1987).
 */
#include "bit_sets.h"

enum { NONE_BELOW, FOUND, GAVE_UP };
enum { LONGEST_CHAIN = 24 };

/* Lists of lists are one array, and where each list starts in it. */
typedef struct {
    int64_t most;  /* Only orders of peaks up to this are looked for. */
    int64_t tries; /* Left: one for each step that is tried after a set. */
    int64_t bound; /* On return: no order has a lower peak. */
    const int64_t *size;
    const int32_t *tensor_start, *tensors; /* By step. */
    const int32_t *user_start, *users;     /* By tensor: steps. */
    const int32_t *before_start, *before, *after_start, *after;
    const int32_t *pair_start, *pairs; /* By step: source and target that may share their bytes. */
    const uint8_t *given, *stays;      /* By tensor: live from the start; to the end. */
    uint64_t *done;                    /* By state, `words` each; the start is state 0. */
    int64_t *peak, *live;
    int32_t *parent, *by; /* The state before and the step that led on from it. */
    int32_t *left;
    uint8_t *closed;
    int32_t *table; /* Hash table: a state's number and 1, or 0. */
    int64_t *heap_peak;
    int32_t *heap_state;
    int32_t *ready, *trial, *order; /* Room for all steps. */
    uint64_t *reached;
    int32_t steps, words, states, most_states, table_mask, heap, most_heap;
} ek_order;

static bool touched(const ek_order *o, const uint64_t *done, int32_t tensor)
{
    if (o->given[tensor])
        return true;
    for (int32_t i = o->user_start[tensor]; i < o->user_start[tensor + 1]; i++)
        if (has(done, o->users[i]))
            return true;
    return false;
}

/* Whether nothing after `step` touches it. */
static bool dies(const ek_order *o, const uint64_t *done, int32_t tensor, int32_t step)
{
    if (o->stays[tensor])
        return false;
    for (int32_t i = o->user_start[tensor]; i < o->user_start[tensor + 1]; i++)
        if (o->users[i] != step && !has(done, o->users[i]))
            return false;
    return true;
}

/* Bytes that outputs of a step share with inputs that die; each output takes the place of one input. */
static int64_t shared_bytes(const ek_order *o, const uint64_t *done, int32_t step)
{
    int64_t shared = 0;
    for (int32_t i = o->pair_start[step]; i < o->pair_start[step + 1]; i += 2) {
        int32_t source = o->pairs[i], target = o->pairs[i + 1];
        bool taken = false;
        for (int32_t k = o->pair_start[step]; k < i; k += 2)
            taken |= o->pairs[k + 1] == target && o->size[o->pairs[k]] == o->size[target] &&
                     dies(o, done, o->pairs[k], step);
        if (!taken && o->size[source] == o->size[target] && dies(o, done, source, step) && !touched(o, done, target))
            shared += o->size[source];
    }
    return shared;
}

/* Bytes live while a step runs; *after it. */
static int64_t run(ek_order *o, const uint64_t *done, int32_t step, int64_t live, int64_t *after)
{
    int64_t born = 0, died = 0;
    o->tries--;
    for (int32_t i = o->tensor_start[step]; i < o->tensor_start[step + 1]; i++) {
        int32_t tensor = o->tensors[i];
        if (!touched(o, done, tensor))
            born += o->size[tensor];
        if (dies(o, done, tensor, step))
            died += o->size[tensor];
    }
    *after = live + born - died;
    return live + born - shared_bytes(o, done, step);
}

static bool is_ready(const ek_order *o, const uint64_t *done, int32_t step)
{
    if (has(done, step))
        return false;
    for (int32_t i = o->before_start[step]; i < o->before_start[step + 1]; i++)
        if (!has(done, o->before[i]))
            return false;
    return true;
}

/* Run a chain from `step` on that ends with at most `live` bytes and below which nothing of it goes; its length, or 0.
 * The chain follows from each step the first of its readers that can run. */
static int32_t chain(ek_order *o, uint64_t *done, int32_t step, int64_t *live, int64_t most, int32_t *list)
{
    int64_t now = *live, least = *live;
    int32_t length = 0, best = 0;
    while (length < LONGEST_CHAIN) {
        int64_t after;
        if (run(o, done, step, now, &after) > most)
            break;
        put(done, step);
        list[length++] = step;
        now = after;
        if (now <= least) {
            least = now;
            best = length;
            break;
        }
        int32_t next = -1;
        for (int32_t i = o->after_start[step]; i < o->after_start[step + 1] && next < 0; i++)
            if (is_ready(o, done, o->after[i]))
                next = o->after[i];
        if (next < 0)
            break;
        step = next;
    }
    while (length > best)
        drop(done, list[--length]);
    if (best)
        *live = least;
    return best;
}

/* Run what costs nothing until nothing is left that does, appending to `order` at `length`; what its length is then.
 * `list` holds the steps that may run; *count of them. */
static int32_t run_free(ek_order *o, uint64_t *done, int64_t *live, int64_t most, int32_t *list, int32_t *count,
                        int32_t length)
{
    for (int32_t at = 0; at < *count && o->tries > 0;) {
        int32_t ran = chain(o, done, list[at], live, most, o->order + length);
        if (!ran) {
            at++;
            continue;
        }
        int32_t kept = 0;
        for (int32_t i = 0; i < *count; i++)
            if (!has(done, list[i]))
                list[kept++] = list[i];
        for (int32_t k = length; k < length + ran; k++) {
            int32_t step = o->order[k];
            for (int32_t i = o->after_start[step]; i < o->after_start[step + 1]; i++) {
                int32_t next = o->after[i];
                bool known = !is_ready(o, done, next);
                for (int32_t j = 0; j < kept && !known; j++)
                    known = list[j] == next;
                if (!known)
                    list[kept++] = next;
            }
        }
        *count = kept;
        length += ran;
        at = 0;
    }
    return length;
}

static uint64_t hash(const uint64_t *done, int32_t words)
{
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (int32_t i = 0; i < words; i++) {
        h = (h ^ done[i]) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* The place in the table of a set, or where it would be. */
static int32_t place_of(const ek_order *o, const uint64_t *done)
{
    int32_t at = (int32_t)(hash(done, o->words) & (uint64_t)o->table_mask);
    for (;; at = (at + 1) & o->table_mask) {
        int64_t state = (int64_t)o->table[at] - 1;
        if (state < 0)
            return at;
        bool same = true;
        for (int32_t i = 0; i < o->words && same; i++)
            same = o->done[state * o->words + i] == done[i];
        if (same)
            return at;
    }
}

static bool goes_first(const ek_order *o, int32_t a, int32_t b)
{
    int32_t s = o->heap_state[a], t = o->heap_state[b];
    if (o->heap_peak[a] != o->heap_peak[b])
        return o->heap_peak[a] < o->heap_peak[b];
    if (o->left[s] != o->left[t])
        return o->left[s] < o->left[t];
    if (o->live[s] != o->live[t])
        return o->live[s] < o->live[t];
    return s < t;
}

static void swap(ek_order *o, int32_t a, int32_t b)
{
    int64_t peak = o->heap_peak[a];
    int32_t state = o->heap_state[a];
    o->heap_peak[a] = o->heap_peak[b];
    o->heap_state[a] = o->heap_state[b];
    o->heap_peak[b] = peak;
    o->heap_state[b] = state;
}

static bool push(ek_order *o, int32_t state)
{
    if (o->heap == o->most_heap)
        return false;
    int32_t at = o->heap++;
    o->heap_peak[at] = o->peak[state];
    o->heap_state[at] = state;
    for (; at && goes_first(o, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(o, at, (at - 1) / 2);
    return true;
}

static int32_t pop(ek_order *o)
{
    int32_t state = o->heap_state[0];
    swap(o, 0, --o->heap);
    for (int32_t at = 0;;) {
        int32_t best = at;
        for (int32_t child = 2 * at + 1; child <= 2 * at + 2 && child < o->heap; child++)
            if (goes_first(o, child, best))
                best = child;
        if (best == at)
            return state;
        swap(o, at, best);
        at = best;
    }
}

/* Note the set in `reached`; false where there is no room for it. */
static bool arrive(ek_order *o, int32_t parent, int32_t by, int64_t peak, int64_t live, int32_t left)
{
    int32_t at = place_of(o, o->reached), state = o->table[at] - 1;
    if (state >= 0 && o->peak[state] <= peak)
        return true;
    if (state < 0) {
        if (o->states == o->most_states)
            return false;
        state = o->states++;
        o->table[at] = state + 1;
        copy_words(o->done + (int64_t)state * o->words, o->reached, o->words);
        o->closed[state] = 0;
        o->live[state] = live;
        o->left[state] = left;
    }
    o->peak[state] = peak;
    o->parent[state] = parent;
    o->by[state] = by;
    return push(o, state);
}

/* Leave state `from` by `step`, or by nothing (-1), with all that is free then; bytes live after it in *live, steps
 * run in `order`, their number returned, the set in `reached`. */
static int32_t leave(ek_order *o, int32_t from, int32_t step, int64_t peak, int64_t *live)
{
    const uint64_t *done = o->done + (int64_t)from * o->words;
    int32_t count = 0, length = 0;
    copy_words(o->reached, done, o->words);
    if (step >= 0) {
        run(o, o->reached, step, *live, live);
        put(o->reached, step);
        o->order[length++] = step;
    }
    for (int32_t i = 0; i < o->steps; i++)
        if (is_ready(o, o->reached, i))
            o->trial[count++] = i;
    return run_free(o, o->reached, live, peak, o->trial, &count, length);
}

static void expand(ek_order *o, int32_t state, bool *room)
{
    int32_t count = 0;
    const uint64_t *done = o->done + (int64_t)state * o->words;
    for (int32_t i = 0; i < o->steps; i++)
        if (is_ready(o, done, i))
            o->ready[count++] = i;
    for (int32_t i = 0; i < count && *room && o->tries > 0; i++) {
        int64_t after, live = o->live[state], peak = o->peak[state];
        int64_t during = run(o, done, o->ready[i], live, &after);
        peak = during > peak ? during : peak;
        if (peak > o->most)
            continue;
        int32_t ran = leave(o, state, o->ready[i], peak, &live);
        if (o->tries > 0)
            *room = arrive(o, state, o->ready[i], peak, live, o->left[state] - ran);
    }
}

/* The way to a state; the steps between two states are found as they were the first time. */
static void list_order(ek_order *o, int32_t state, int32_t *whole)
{
    int32_t at = o->left[0];
    o->tries = INT64_MAX;
    for (; o->by[state] >= 0; state = o->parent[state]) {
        int64_t live = o->live[o->parent[state]];
        int32_t ran = leave(o, o->parent[state], o->by[state], o->peak[state], &live);
        while (ran)
            whole[--at] = o->order[--ran];
    }
}

/* State 0 is set: done, peak, live, left. FOUND: steps in `whole`, the peak in `bound`. */
int ek_find_order(ek_order *o, int32_t *whole)
{
    bool room = true;
    o->by[0] = o->parent[0] = -1;
    o->states = 1;
    o->heap = 0;
    o->table[place_of(o, o->done)] = 1;
    o->bound = o->peak[0];
    if (o->bound > o->most)
        return NONE_BELOW;
    push(o, 0);
    while (o->heap) {
        int32_t state = pop(o);
        if (o->closed[state])
            continue;
        o->bound = o->peak[state];
        if (!o->left[state]) {
            list_order(o, state, whole);
            return FOUND;
        }
        o->closed[state] = 1;
        expand(o, state, &room);
        if (!room || o->tries <= 0)
            return GAVE_UP;
    }
    o->bound = o->most + 1;
    return NONE_BELOW;
}
