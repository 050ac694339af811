/* The order of steps with the fewest live bytes: best-first search over sets of executed steps (order_search.py).
 *
 * States are taken by the least peak that leads to them, then those with most steps done, then with the fewest live
 * bytes; the first complete one is optimal. A step runs at once if it needs no higher peak and leaves no more bytes
 * than before: in every order that has it later it can come now, since by then no fewer of its inputs can die with it.
 * So does a chain, each step of which reads the one before, if it ends with no more bytes than before it and than
 * anywhere in it (the segments of J. W. H. Liu, "An application of generalized tree pebbling to sparse matrix
 * factorization", 1987).
 */
#include "step_states.h"

enum { NONE_BELOW, FOUND, GAVE_UP };
enum { LONGEST_CHAIN = 24 };

/* Lists of lists are one array, and where each list starts in it. A state's key is the least peak that leads to it. */
typedef struct {
    ek_states states;
    int64_t most;  /* Only orders of peaks up to this are looked for. */
    int64_t tries; /* Left: one for each step that is tried after a set. */
    int64_t bound; /* On return: no order has a lower peak. */
    const int64_t *size;
    const int32_t *tensor_start, *tensors; /* By step. */
    const int32_t *user_start, *users;     /* By tensor: steps. */
    const int32_t *after_start, *after;    /* By step: steps that wait for it. */
    const int32_t *pair_start, *pairs;     /* By step: source and target that may share their bytes. */
    const uint8_t *given, *stays;          /* By tensor: live from the start; to the end. */
    int32_t *ready, *trial, *order;        /* Room for all steps. */
    uint64_t *reached;
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
            if (is_ready(&o->states, done, o->after[i]))
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
                bool known = !is_ready(&o->states, done, next);
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

/* Note the set in `reached`; false where there is no room for it. */
static bool arrive(ek_order *o, int32_t parent, int32_t by, int64_t peak, int64_t live, int32_t left)
{
    ek_states *all = &o->states;
    int32_t at = place_of(all, o->reached), state = all->table[at] - 1;
    if (state >= 0 && all->key[state] <= peak)
        return true;
    if (state < 0) {
        if (all->count == all->most)
            return false;
        state = all->count++;
        all->table[at] = state + 1;
        copy_words(done_of(all, state), o->reached, all->words);
        all->closed[state] = 0;
        all->live[state] = live;
        all->left[state] = left;
    }
    all->key[state] = peak;
    all->parent[state] = parent;
    all->by[state] = by;
    return push(all, state);
}

/* Leave state `from` by `step`, or by nothing (-1), with all that is free then; bytes live after it in *live, steps
 * run in `order`, their number returned, the set in `reached`. */
static int32_t leave(ek_order *o, int32_t from, int32_t step, int64_t peak, int64_t *live)
{
    int32_t count = 0, length = 0;
    copy_words(o->reached, done_of(&o->states, from), o->states.words);
    if (step >= 0) {
        run(o, o->reached, step, *live, live);
        put(o->reached, step);
        o->order[length++] = step;
    }
    for (int32_t i = 0; i < o->states.steps; i++)
        if (is_ready(&o->states, o->reached, i))
            o->trial[count++] = i;
    return run_free(o, o->reached, live, peak, o->trial, &count, length);
}

static void expand(ek_order *o, int32_t state, bool *room)
{
    const ek_states *all = &o->states;
    int32_t count = 0;
    const uint64_t *done = done_of(all, state);
    for (int32_t i = 0; i < all->steps; i++)
        if (is_ready(all, done, i))
            o->ready[count++] = i;
    for (int32_t i = 0; i < count && *room && o->tries > 0; i++) {
        int64_t after, live = all->live[state], peak = all->key[state];
        int64_t during = run(o, done, o->ready[i], live, &after);
        peak = during > peak ? during : peak;
        if (peak > o->most)
            continue;
        int32_t ran = leave(o, state, o->ready[i], peak, &live);
        if (o->tries > 0)
            *room = arrive(o, state, o->ready[i], peak, live, all->left[state] - ran);
    }
}

/* The way to a state; the steps between two states are found as they were the first time. */
static void list_order(ek_order *o, int32_t state, int32_t *whole)
{
    const ek_states *all = &o->states;
    int32_t at = all->left[0];
    o->tries = INT64_MAX;
    for (; all->by[state] >= 0; state = all->parent[state]) {
        int64_t live = all->live[all->parent[state]];
        int32_t ran = leave(o, all->parent[state], all->by[state], all->key[state], &live);
        while (ran)
            whole[--at] = o->order[--ran];
    }
}

/* State 0 is set: done, key, live, left. FOUND: steps in `whole`, the peak in `bound`. */
int ek_find_order(ek_order *o, int32_t *whole)
{
    ek_states *all = &o->states;
    bool room = true;
    all->by[0] = all->parent[0] = -1;
    all->count = 1;
    all->heap = 0;
    all->table[place_of(all, all->done)] = 1;
    o->bound = all->key[0];
    if (o->bound > o->most)
        return NONE_BELOW;
    push(all, 0);
    while (all->heap) {
        int32_t state = pop(all);
        if (all->closed[state])
            continue;
        o->bound = all->key[state];
        if (!all->left[state]) {
            list_order(o, state, whole);
            return FOUND;
        }
        all->closed[state] = 1;
        expand(o, state, &room);
        if (!room || o->tries <= 0)
            return GAVE_UP;
    }
    o->bound = o->most + 1;
    return NONE_BELOW;
}
