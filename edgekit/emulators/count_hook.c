/* Exact instruction counts for Unicorn, at the speed of its translated code: a hook that runs once per block.
 *
 * Every block that runs has a record per layer: how often it ran, and how often the next address followed. Thumb
 * instructions are counted by their lengths in a copy of the code, once per record. A layer table gives every half
 * word of code the layer that becomes current when a block starts there (0: no change). Watched addresses stop the run
 * before their instruction; what the block hook counted of that block is then taken back, so that counts are exact
 * wherever a run is cut. edgekit/emulators/count_hook.py mirrors the structures. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Unicorn's uc_emu_stop. */
typedef int (*ek_stop)(void *engine);

enum { AT_WATCH = 1, OUT_OF_BUDGET, OUT_OF_MEMORY };

typedef struct {
    uint64_t runs;
    uint64_t fell; /* runs that the next address followed: a branch at the block's end was not taken */
    uint32_t address, size, instructions, layer;
    uint32_t next; /* number of the next record of this address, 0 none */
    uint32_t unused;
} ek_block;

typedef struct {
    uint64_t total;       /* instructions since the last ek_count_clear */
    uint64_t budget;      /* the run stops when total reaches this */
    uint64_t *layers;     /* instructions per layer value of `tags` */
    const uint8_t *code;  /* copy of the code from `base` on */
    const uint16_t *tags; /* per half word */
    const uint8_t *stops; /* per half word: the watch class of the address, 0 none */
    uint32_t *first;      /* per half word: number of the first record of a block that starts there, 0 none */
    ek_block *blocks;     /* records; the one with number 0 stands for blocks outside the code */
    ek_stop stop;
    uint32_t base, size;  /* the code's range; size in bytes */
    uint32_t layer_count; /* of `layers` */
    uint32_t layer;       /* current layer value */
    uint32_t last;        /* number of the record counted last, 0 none */
    uint32_t block_count, block_capacity;
    uint32_t stop_mask; /* bit k set: stop at addresses of watch class k */
    uint32_t skip;      /* address to run over once, where a run resumes */
    uint32_t stopped;   /* AT_WATCH and so on */
    uint32_t stopped_at;
    uint32_t outside; /* blocks outside the code range: never, unless the program runs away */
} ek_counter;

static uint32_t count_instructions(const ek_counter *c, uint32_t offset, uint32_t size)
{
    uint32_t instructions = 0;
    for (uint32_t at = 0; at < size; instructions++) {
        /* The five top bits of the first half word tell 32-bit instructions. */
        at += c->code[offset + at + 1] >> 3 >= 0x1D ? 4 : 2;
    }
    return instructions;
}

static uint32_t add_record(ek_counter *c, uint32_t offset, uint32_t size)
{
    if (c->block_count == c->block_capacity) {
        const uint32_t capacity = c->block_capacity ? 2 * c->block_capacity : 1024;
        ek_block *blocks = (ek_block *)realloc(c->blocks, capacity * sizeof *blocks);
        if (blocks == NULL) {
            c->stopped = OUT_OF_MEMORY;
            return 0;
        }
        c->blocks = blocks;
        c->block_capacity = capacity;
    }
    const uint32_t number = c->block_count++;
    c->blocks[number] = (ek_block){0, 0, c->base + offset, size, count_instructions(c, offset, size), c->layer, 0, 0};
    return number;
}

/* The current layer's record of a block; 0 outside the code and where memory ran out. */
static uint32_t record(ek_counter *c, uint32_t address, uint32_t size)
{
    const uint32_t offset = address - c->base;
    if (offset >= c->size || size > c->size - offset) {
        c->outside++;
        return 0;
    }
    uint32_t *first = &c->first[offset >> 1];
    uint32_t previous = 0;
    for (uint32_t number = *first; number != 0; previous = number, number = c->blocks[number].next) {
        if (c->blocks[number].size == size && c->blocks[number].layer == c->layer) {
            if (previous != 0) {
                /* Layers run one after the other: the one that runs is found first. */
                c->blocks[previous].next = c->blocks[number].next;
                c->blocks[number].next = *first;
                *first = number;
            }
            return number;
        }
    }
    const uint32_t number = add_record(c, offset, size);
    if (number != 0) {
        c->blocks[number].next = *first;
        *first = number;
    }
    return number;
}

/* Counts `runs` more runs of a block, which may be -1. */
static void count(ek_counter *c, uint32_t number, uint64_t runs)
{
    const uint64_t instructions = runs * c->blocks[number].instructions;
    c->blocks[number].runs += runs;
    c->total += instructions;
    c->layers[c->layer] += instructions;
    c->last = number;
}

/* Sets all counts to zero and makes a layer current; returns 0 where there is no memory for records. */
int ek_count_clear(ek_counter *c, uint32_t layer)
{
    if (c->blocks == NULL) {
        add_record(c, 0, 0);
        if (c->blocks == NULL) {
            return 0;
        }
    }
    for (uint32_t number = 1; number < c->block_count; number++) {
        c->first[(c->blocks[number].address - c->base) >> 1] = 0;
    }
    memset(c->layers, 0, c->layer_count * sizeof *c->layers);
    c->block_count = 1;
    c->total = 0;
    c->last = 0;
    c->layer = layer;
    return 1;
}

void ek_count_free(ek_counter *c)
{
    free(c->blocks);
    c->blocks = NULL;
    c->block_count = c->block_capacity = 0;
}

/* UC_HOOK_BLOCK */
void ek_count_block(void *engine, uint64_t address64, uint32_t size, void *data)
{
    ek_counter *c = (ek_counter *)data;
    const uint32_t address = (uint32_t)address64;
    const uint32_t offset = address - c->base;
    ek_block *last = &c->blocks[c->last];
    if (c->last != 0 && last->address + last->size == address) {
        last->fell++;
    }
    if (offset < c->size && c->tags[offset >> 1] != 0) {
        c->layer = c->tags[offset >> 1];
    }
    count(c, record(c, address, size), 1);
    if (c->total >= c->budget && c->stopped == 0) {
        c->stopped = OUT_OF_BUDGET;
    }
    if (c->stopped != 0) {
        c->stop(engine);
    }
}

/* UC_HOOK_CODE, on watched addresses only */
void ek_count_watch(void *engine, uint64_t address64, uint32_t size, void *data)
{
    ek_counter *c = (ek_counter *)data;
    const uint32_t address = (uint32_t)address64;
    const uint32_t offset = address - c->base;
    (void)size;
    if (address == c->skip) {
        c->skip = 0;
        return;
    }
    if (offset >= c->size || (c->stop_mask >> c->stops[offset >> 1] & 1u) == 0u) {
        return;
    }
    const uint32_t start = c->blocks[c->last].address;
    count(c, c->last, (uint64_t)-1);
    c->last = 0;
    if (address != start) {
        count(c, record(c, start, address - start), 1);
    }
    if (c->stopped == 0) {
        c->stopped = AT_WATCH;
    }
    c->stopped_at = address;
    c->stop(engine);
}
