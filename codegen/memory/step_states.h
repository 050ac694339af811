/* States of best-first searches over executed steps (order_search.c, joint_search.c): sets, a hash table, a heap. */
#ifndef EK_STEP_STATES_H
#define EK_STEP_STATES_H

#include "bit_sets.h"

/* Lists of lists are one array, and where each list starts in it. */
typedef struct {
    const int32_t *before_start, *before; /* By step: steps that run before it. */
    uint64_t *done;                       /* By state, `words` each: steps that have run; the start is state 0. */
    int64_t *key, *live;                  /* By state: states of the least key go first, */
    int32_t *left;                        /* then those with the fewest steps left, then with the fewest bytes live. */
    int32_t *parent, *by;                 /* The state before, or -1, and the step that led on from it. */
    uint8_t *closed;
    int32_t *table; /* Hash table over sets of steps: a state's number and 1, or 0. */
    int64_t *heap_key;
    int32_t *heap_state;
    int32_t steps, words, count, most, table_mask, heap, most_heap;
    int32_t by_left; /* Whether those with the most steps left go first of all. */
} ek_states;

static uint64_t *done_of(const ek_states *s, int32_t state)
{
    return s->done + (int64_t)state * s->words;
}

/* Whether a step has not run and nothing that it waits for is left. */
static bool is_ready(const ek_states *s, const uint64_t *done, int32_t step)
{
    if (has(done, step))
        return false;
    for (int32_t i = s->before_start[step]; i < s->before_start[step + 1]; i++)
        if (!has(done, s->before[i]))
            return false;
    return true;
}

static uint64_t hash_of(const uint64_t *done, int32_t words)
{
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (int32_t i = 0; i < words; i++) {
        h = (h ^ done[i]) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* The place in the table of a set, or where it would be. */
static int32_t place_of(const ek_states *s, const uint64_t *done)
{
    int32_t at = (int32_t)(hash_of(done, s->words) & (uint64_t)s->table_mask);
    for (;; at = (at + 1) & s->table_mask) {
        if (!s->table[at])
            return at;
        const uint64_t *other = done_of(s, s->table[at] - 1);
        bool same = true;
        for (int32_t i = 0; i < s->words && same; i++)
            same = other[i] == done[i];
        if (same)
            return at;
    }
}

static bool goes_first(const ek_states *s, int32_t a, int32_t b)
{
    const int32_t one = s->heap_state[a], other = s->heap_state[b];
    if (s->by_left && s->left[one] != s->left[other])
        return s->left[one] > s->left[other];
    if (s->heap_key[a] != s->heap_key[b])
        return s->heap_key[a] < s->heap_key[b];
    if (s->left[one] != s->left[other])
        return s->left[one] < s->left[other];
    if (s->live[one] != s->live[other])
        return s->live[one] < s->live[other];
    return one < other;
}

static void swap(ek_states *s, int32_t a, int32_t b)
{
    const int64_t key = s->heap_key[a];
    const int32_t state = s->heap_state[a];
    s->heap_key[a] = s->heap_key[b];
    s->heap_state[a] = s->heap_state[b];
    s->heap_key[b] = key;
    s->heap_state[b] = state;
}

/* False where there is no room. */
static bool push(ek_states *s, int32_t state)
{
    if (s->heap == s->most_heap)
        return false;
    int32_t at = s->heap++;
    s->heap_key[at] = s->key[state];
    s->heap_state[at] = state;
    for (; at && goes_first(s, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(s, at, (at - 1) / 2);
    return true;
}

static int32_t pop(ek_states *s)
{
    const int32_t state = s->heap_state[0];
    swap(s, 0, --s->heap);
    for (int32_t at = 0;;) {
        int32_t best = at;
        for (int32_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->heap; child++)
            if (goes_first(s, child, best))
                best = child;
        if (best == at)
            return state;
        swap(s, at, best);
        at = best;
    }
}

#endif
