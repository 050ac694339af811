/* The order of steps and what leaves the chip while they run, at least cost: best-first search (joint.py).
 *
 * A state is the set of executed steps, the tensors on the chip and those of them that have a copy off it. A step
 * fetches what it needs and is not there; what stands in its way leaves, no more than must, since it can still leave
 * later. States are taken by what they have cost and must still cost: each tensor that is off the chip and needed must
 * be fetched, and the steps behind the last one that has run cost at least `ahead`. Of two states with the same steps
 * executed, one is not needed if the other can be turned into it for the difference of their costs.
 *
 * With a width the search is a beam: states go by steps left, the best of each number are followed, and no bound holds.
 *
 * A step runs at once if all that it reads is there and nothing has to leave, and if what it writes is dead then, or
 * can take the place of something that dies in it, costs no more to move and has no copy yet: whatever happened to that
 * one until later can happen to what the step writes.
 */
#include "step_states.h"

enum { NONE_BELOW, FOUND, GAVE_UP };

/* Lists of lists are one array, and where each list starts in it. A state's key is what solutions that lead through it
 * cost at least; live are the bytes on the chip. State 0 is given. */
typedef struct {
    ek_states states;
    int64_t below; /* Only solutions of less cost are looked for. */
    int64_t tries; /* Left: one for each state that is made. */
    int64_t bound; /* On return: no solution costs less. */
    int64_t capacity;
    const int64_t *size, *store, *fetch; /* By tensor. */
    const int64_t *ahead;                /* By step, and one more. */
    const int32_t *touch_start, *touches, *user_start, *users;
    const int32_t *writer;                     /* By tensor, or -1: it has a copy and arrives for nothing. */
    const uint64_t *within;                    /* Steps that are to run. */
    const uint64_t *near_after, *copied_after; /* What must stand on the chip then, and which of it have a copy. */
    uint64_t *near, *copied;                   /* By state. */
    int64_t *cost;
    int32_t *next;   /* By state: another one of the same steps, or -1. */
    int64_t *behind; /* Room for all tensors, and one more; so have the next three. */
    int32_t *waiting, *taken, *picked;
    int32_t *ready, *path; /* Room for all steps. */
    int32_t *order;        /* Where to note the steps that run, or NULL. */
    int32_t *followed;     /* By steps left: how many states were. */
    int32_t tensors, tensor_words, ran;
    int32_t width; /* So many states are followed of each number of steps left, or all: 0. */
} ek_joint;

static uint64_t *near_of(const ek_joint *j, int32_t state)
{
    return j->near + (int64_t)state * j->tensor_words;
}

static uint64_t *copied_of(const ek_joint *j, int32_t state)
{
    return j->copied + (int64_t)state * j->tensor_words;
}

/* Whether no step that has not run uses a tensor. */
static bool is_dead(const ek_joint *j, const uint64_t *done, int32_t tensor)
{
    for (int32_t i = j->user_start[tensor]; i < j->user_start[tensor + 1]; i++)
        if (!has(done, j->users[i]))
            return false;
    return true;
}

static bool is_touched(const ek_joint *j, const uint64_t *done, int32_t tensor)
{
    for (int32_t i = j->user_start[tensor]; i < j->user_start[tensor + 1]; i++)
        if (has(done, j->users[i]))
            return true;
    return false;
}

/* Whether a tensor is needed by a step that is to run, or after them. */
static bool is_due(const ek_joint *j, const uint64_t *done, int32_t tensor)
{
    for (int32_t i = j->user_start[tensor]; i < j->user_start[tensor + 1]; i++)
        if (!has(done, j->users[i]) && has(j->within, j->users[i]))
            return true;
    return has(j->near_after, tensor);
}

static bool may_run(const ek_joint *j, const uint64_t *done, int32_t step)
{
    return has(j->within, step) && is_ready(&j->states, done, step);
}

static int64_t bytes_of(const ek_joint *j, const uint64_t *near)
{
    int64_t total = 0;
    for (int32_t word = 0; word < j->tensor_words; word++)
        for (uint64_t left = near[word]; left; left &= left - 1)
            total += j->size[word * 64 + __builtin_ctzll(left)];
    return total;
}

/* What it costs at least to have `wanted`, of which `copies` have a copy off the chip, from what a state of the same
 * steps has; above `most` any more. */
static int64_t turning(const ek_joint *j, int32_t from, const uint64_t *wanted, const uint64_t *copies, int64_t most)
{
    const uint64_t *near = near_of(j, from), *copied = copied_of(j, from);
    int64_t total = 0;
    for (int32_t word = 0; word < j->tensor_words && total <= most; word++) {
        const uint64_t away = near[word] & ~wanted[word] & ~copied[word];
        const uint64_t both = near[word] & wanted[word] & copies[word] & ~copied[word];
        for (uint64_t left = away | both; left; left &= left - 1)
            total += j->store[word * 64 + __builtin_ctzll(left)];
        for (uint64_t left = wanted[word] & ~near[word]; left; left &= left - 1)
            total += j->fetch[word * 64 + __builtin_ctzll(left)];
    }
    return total;
}

/* What a state must still cost. */
static int64_t rest_of(const ek_joint *j, int32_t state)
{
    const uint64_t *done = done_of(&j->states, state), *near = near_of(j, state);
    if (!j->states.left[state])
        return turning(j, state, j->near_after, j->copied_after, INT64_MAX);
    int64_t total = 0;
    int32_t last = -1;
    for (int32_t step = j->states.steps - 1; step >= 0 && last < 0; step--)
        if (has(done, step))
            last = step;
    for (int32_t tensor = 0; tensor < j->tensors; tensor++)
        if (!has(near, tensor) && is_touched(j, done, tensor) && is_due(j, done, tensor))
            total += j->fetch[tensor];
    return total + j->ahead[last + 1];
}

/* Run a step for which all is on the chip: what is dead then leaves. */
static void execute(ek_joint *j, int32_t state, int32_t step)
{
    uint64_t *done = done_of(&j->states, state), *near = near_of(j, state), *copied = copied_of(j, state);
    put(done, step);
    j->states.left[state]--;
    if (j->order)
        j->order[j->ran++] = step;
    for (int32_t i = j->touch_start[step]; i < j->touch_start[step + 1]; i++) {
        const int32_t tensor = j->touches[i];
        put(near, tensor);
        if (j->writer[tensor] < 0)
            put(copied, tensor);
        if (is_dead(j, done, tensor)) {
            drop(near, tensor);
            drop(copied, tensor);
        }
    }
}

/* Whether a step that is ready may run at once. */
static bool runs_at_once(const ek_joint *j, int32_t state, int32_t step)
{
    uint64_t *done = done_of(&j->states, state);
    const uint64_t *near = near_of(j, state), *copied = copied_of(j, state);
    int64_t added = 0;
    int32_t left = -1, lefts = 0;
    for (int32_t i = j->touch_start[step]; i < j->touch_start[step + 1]; i++) {
        const int32_t tensor = j->touches[i];
        if (j->writer[tensor] != step && !has(near, tensor))
            return false;
        added += j->writer[tensor] == step ? j->size[tensor] : 0;
        if (j->writer[tensor] == step && j->user_start[tensor + 1] - j->user_start[tensor] > 1) {
            left = tensor;
            lefts++;
        }
    }
    if (lefts > 1 || bytes_of(j, near) + added > j->capacity)
        return false;
    if (!lefts)
        return true;
    put(done, step);
    bool takes_place = false;
    for (int32_t i = j->touch_start[step]; i < j->touch_start[step + 1] && !takes_place; i++) {
        const int32_t tensor = j->touches[i];
        takes_place = tensor != left && j->writer[tensor] != step && is_dead(j, done, tensor) && !has(copied, tensor) &&
                      j->size[left] <= j->size[tensor] && j->store[left] <= j->store[tensor] &&
                      j->fetch[left] <= j->fetch[tensor];
    }
    drop(done, step);
    return takes_place;
}

static void run_at_once(ek_joint *j, int32_t state)
{
    for (bool again = true; again;) {
        again = false;
        for (int32_t step = 0; step < j->states.steps; step++)
            if (may_run(j, done_of(&j->states, state), step) && runs_at_once(j, state, step)) {
                execute(j, state, step);
                again = true;
            }
    }
}

static bool can_turn(const ek_joint *j, int32_t from, int32_t to)
{
    const int64_t spare = j->cost[to] - j->cost[from];
    return spare >= 0 && turning(j, from, near_of(j, to), copied_of(j, to), spare) <= spare;
}

/* Keep the state at the end of the list of states, unless another one of the same steps makes it needless. */
static void keep(ek_joint *j)
{
    ek_states *all = &j->states;
    const int32_t state = all->count, slot = place_of(all, done_of(all, state));
    int32_t before = -1;
    for (int32_t other = all->table[slot] - 1; other >= 0; other = j->next[other])
        if (can_turn(j, other, state))
            return;
    for (int32_t other = all->table[slot] - 1; other >= 0; other = j->next[other]) {
        if (!can_turn(j, state, other)) {
            before = other;
            continue;
        }
        all->closed[other] = 1;
        if (before < 0)
            all->table[slot] = j->next[other] + 1;
        else
            j->next[before] = j->next[other];
    }
    all->closed[state] = 0;
    j->next[state] = all->table[slot] - 1;
    all->table[slot] = state + 1;
    all->count++;
    push(all, state);
}

static void copy_state(ek_joint *j, int32_t to, int32_t from)
{
    copy_words(done_of(&j->states, to), done_of(&j->states, from), j->states.words);
    copy_words(near_of(j, to), near_of(j, from), j->tensor_words);
    copy_words(copied_of(j, to), copied_of(j, from), j->tensor_words);
    j->states.left[to] = j->states.left[from];
}

/* The state that follows when a step runs and the tensors of `leaving` have left; fetched tensors cost `fetched`. */
static void follow(ek_joint *j, int32_t state, int32_t step, const int32_t *leaving, int32_t count, int64_t fetched)
{
    ek_states *all = &j->states;
    const int32_t made = all->count;
    copy_state(j, made, state);
    j->cost[made] = j->cost[state] + fetched;
    for (int32_t i = 0; i < count; i++) {
        j->cost[made] += has(copied_of(j, made), leaving[i]) ? 0 : j->store[leaving[i]];
        drop(near_of(j, made), leaving[i]);
        put(copied_of(j, made), leaving[i]);
    }
    all->parent[made] = state;
    all->by[made] = step;
    execute(j, made, step);
    run_at_once(j, made);
    all->live[made] = bytes_of(j, near_of(j, made));
    all->key[made] = j->cost[made] + rest_of(j, made);
    j->tries--;
    if (all->key[made] < j->below)
        keep(j);
}

/* The tensors on the chip that a step does not touch, largest first, and the bytes of each and of all behind it. */
static void list_waiting(ek_joint *j, const uint64_t *near, int32_t step)
{
    int32_t count = 0;
    for (int32_t word = 0; word < j->tensor_words; word++)
        for (uint64_t left = near[word]; left; left &= left - 1) {
            const int32_t tensor = word * 64 + __builtin_ctzll(left);
            bool touched = false;
            for (int32_t i = j->touch_start[step]; i < j->touch_start[step + 1] && !touched; i++)
                touched = j->touches[i] == tensor;
            if (touched)
                continue;
            int32_t at = count++;
            for (; at && j->size[tensor] > j->size[j->waiting[at - 1]]; at--)
                j->waiting[at] = j->waiting[at - 1];
            j->waiting[at] = tensor;
        }
    j->behind[count] = 0;
    for (int32_t n = count - 1; n >= 0; n--)
        j->behind[n] = j->behind[n + 1] + j->size[j->waiting[n]];
}

/* All ways to run a step: every set of tensors that makes room, of which each is needed for that. False: too many. */
static bool expand(ek_joint *j, int32_t state, int32_t step)
{
    const uint64_t *near = near_of(j, state), *done = done_of(&j->states, state);
    int64_t excess = bytes_of(j, near) - j->capacity, fetched = 0;
    for (int32_t i = j->touch_start[step]; i < j->touch_start[step + 1]; i++) {
        const int32_t tensor = j->touches[i];
        if (!has(near, tensor)) {
            excess += j->size[tensor];
            fetched += is_touched(j, done, tensor) ? j->fetch[tensor] : 0;
        }
    }
    if (excess > 0)
        list_waiting(j, near, step);
    /* Largest first: a set that suffices with its last one does not without any. What is chosen leads to a set, since
     * all behind it suffices: the choices are no more than the states that are made, times the tensors. */
    for (int32_t next = 0, depth = 0;;) {
        if (excess <= 0) {
            if (j->states.count >= j->states.most - 1 || j->tries <= 0)
                return false;
            follow(j, state, step, j->taken, depth, fetched);
        } else if (excess <= j->behind[next]) {
            j->picked[depth] = next;
            j->taken[depth] = j->waiting[next++];
            excess -= j->size[j->taken[depth++]];
            continue;
        }
        if (!depth)
            return true;
        excess += j->size[j->taken[--depth]];
        next = j->picked[depth] + 1;
    }
}

/* All steps on the way to a state, in their order; those that ran at once at the start are there. */
static void replay(ek_joint *j, int32_t state, int32_t *order)
{
    const ek_states *all = &j->states;
    const int32_t again = all->count;
    int32_t length = 0;
    for (int32_t at = state; at; at = all->parent[at])
        j->path[length++] = at;
    copy_state(j, again, 0);
    j->order = order;
    for (int32_t i = length - 1; i >= 0; i--) {
        const int32_t at = j->path[i];
        /* What has left, or is dead, since the state before; what is dead is of no matter. */
        for (int32_t word = 0; word < j->tensor_words; word++) {
            const uint64_t left = near_of(j, again)[word] & ~near_of(j, at)[word];
            for (uint64_t rest = left; rest; rest &= rest - 1) {
                const int32_t tensor = word * 64 + __builtin_ctzll(rest);
                if (is_dead(j, done_of(all, at), tensor))
                    continue;
                drop(near_of(j, again), tensor);
                put(copied_of(j, again), tensor);
            }
        }
        execute(j, again, all->by[at]);
        run_at_once(j, again);
    }
}

/* FOUND with the steps of the cheapest solution in `order`, if that costs less than `below`. */
int32_t ek_find_joint(ek_joint *j, int32_t *order)
{
    ek_states *all = &j->states;
    all->count = 1;
    all->heap = 0;
    all->parent[0] = j->next[0] = -1;
    all->closed[0] = 0;
    j->cost[0] = 0;
    j->ran = 0;
    j->order = order;
    run_at_once(j, 0);
    j->order = 0;
    all->live[0] = bytes_of(j, near_of(j, 0));
    all->key[0] = rest_of(j, 0);
    j->bound = all->key[0];
    push(all, 0);
    while (all->heap && (j->width || j->bound < j->below)) {
        const int32_t state = pop(all);
        if (all->closed[state])
            continue;
        if (j->width && j->followed[all->left[state]]++ >= j->width)
            continue;
        all->closed[state] = 1;
        if (j->bound < all->key[state])
            j->bound = all->key[state];
        if (!all->left[state]) {
            replay(j, state, order);
            return FOUND;
        }
        int32_t ready = 0;
        for (int32_t step = 0; step < all->steps; step++)
            if (may_run(j, done_of(all, state), step))
                j->ready[ready++] = step;
        for (int32_t i = 0; i < ready; i++)
            if (!expand(j, state, j->ready[i]))
                return GAVE_UP;
    }
    j->bound = j->below;
    return NONE_BELOW;
}
