/* A QEMU TCG plugin: executed instructions, in all and per layer, and the first access outside the board's memories.
 *
 * Argument: config=FILE, a text file of lines, numbers in hexadecimal:
 *   state FILE            ek_state below, shared with edgekit/emulators/qemu_state.py; the file has its size already
 *   overhead START END    a block that starts in the range makes layer 0 (outside layers) current
 *   layer ADDRESS VALUE   a block that starts there makes this layer current
 *   memory START END RWX  a memory; bit 0 of RWX: may be written, bit 1: executed
 * The declarations below are the part of QEMU's plugin interface (version 1) that is used; Debian ships no header. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };

typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu_index, void *userdata);
typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned int vcpu_index, qemu_plugin_meminfo_t info, uint64_t vaddr,
                                          void *userdata);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb,
                                          enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb,
                                      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);

__attribute__((visibility("default"))) extern int qemu_plugin_version;
int qemu_plugin_version = 1;

enum { WRITE = 1, EXECUTE = 2 };
enum { NO_FAULT, READ_FAULT, WRITE_FAULT, FETCH_FAULT, ALIGNMENT_FAULT };
#define NO_LAYER UINT32_MAX
#define MAX_MEMORIES 64
#define MAX_OVERHEADS 8
#define MAX_LAYERS 4096
/* The private peripheral bus: system control. */
#define PPB_START 0xE0000000u
#define PPB_END 0xE0100000u

typedef struct {
    uint64_t total; /* instructions since the start */
    uint64_t fault, fault_address, fault_size, fault_pc;
    uint64_t layers[]; /* by layer value, 0 outside layers */
} ek_state;

typedef struct {
    uint64_t start, end;
    unsigned flags;
} ek_range;

typedef struct {
    uint64_t address;
    uint32_t value;
} ek_layer;

typedef struct {
    uint64_t bad_fetch; /* address of an instruction outside executable memory, else 0 */
    uint32_t instructions;
    uint32_t layer; /* becomes current, unless NO_LAYER */
} ek_block;

static ek_state *state;
static uint32_t current, layer_values;
static ek_range memories[MAX_MEMORIES], overheads[MAX_OVERHEADS];
static ek_layer layers[MAX_LAYERS];
static size_t memory_count, overhead_count, layer_count;

static const ek_range *find(const ek_range *ranges, size_t count, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (address >= ranges[i].start && address + size <= ranges[i].end) {
            return &ranges[i];
        }
    }
    return NULL;
}

/* QEMU has no way to stop from here: the first fault is kept, and read where the program stops next. */
static void fault(uint64_t kind, uint64_t address, uint64_t size, uint64_t pc)
{
    if (state->fault == NO_FAULT) {
        state->fault_address = address;
        state->fault_size = size;
        state->fault_pc = pc;
        state->fault = kind;
    }
}

/* The machine runs one CPU: no locking. */
static void run_block(unsigned int cpu, void *data)
{
    const ek_block *block = (const ek_block *)data;
    (void)cpu;
    if (block->layer != NO_LAYER) {
        current = block->layer;
    }
    state->total += block->instructions;
    state->layers[current] += block->instructions;
    if (block->bad_fetch != 0) {
        fault(FETCH_FAULT, block->bad_fetch, 2, block->bad_fetch);
    }
}

static void access_memory(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *pc)
{
    const uint64_t size = 1u << qemu_plugin_mem_size_shift(info);
    const bool store = qemu_plugin_mem_is_store(info);
    const ek_range *memory = find(memories, memory_count, address, size);
    (void)cpu;
    if (memory == NULL ? address < PPB_START || address + size > PPB_END : store && !(memory->flags & WRITE)) {
        fault(store ? WRITE_FAULT : READ_FAULT, address, size, (uint64_t)(uintptr_t)pc);
    }
}

/* QEMU lets vector loads and stores pass that a core faults on: every element has to be aligned. */
static void access_vector(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *pc)
{
    const uint64_t size = 1u << qemu_plugin_mem_size_shift(info);
    if (address % size != 0) {
        fault(ALIGNMENT_FAULT, address, size, (uint64_t)(uintptr_t)pc);
    }
    access_memory(cpu, info, address, pc);
}

/* The vector extension's loads and stores: 111x110x in the first byte, coprocessor 14 or 15 in the second half word. */
static bool is_vector_access(const struct qemu_plugin_insn *instruction)
{
    const uint8_t *bytes = (const uint8_t *)qemu_plugin_insn_data(instruction);
    return qemu_plugin_insn_size(instruction) == 4 && (bytes[1] & 0xEEu) == 0xECu && (bytes[3] & 0x0Eu) == 0x0Eu;
}

static uint32_t layer_at(uint64_t address)
{
    for (size_t i = 0; i < layer_count; i++) {
        if (layers[i].address == address) {
            return layers[i].value;
        }
    }
    return find(overheads, overhead_count, address, 1) != NULL ? 0 : NO_LAYER;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    ek_block *block = (ek_block *)calloc(1, sizeof *block); /* lives as long as the program */
    const size_t count = qemu_plugin_tb_n_insns(tb);
    (void)id;
    if (block == NULL) {
        abort();
    }
    block->instructions = (uint32_t)count;
    block->layer = layer_at(qemu_plugin_tb_vaddr(tb));
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t at = qemu_plugin_insn_vaddr(instruction);
        const ek_range *memory = find(memories, memory_count, at, 2);
        if (block->bad_fetch == 0 && (memory == NULL || !(memory->flags & EXECUTE))) {
            block->bad_fetch = at;
        }
        qemu_plugin_register_vcpu_mem_cb(instruction, is_vector_access(instruction) ? access_vector : access_memory,
                                         QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, (void *)(uintptr_t)at);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static bool map_state(const char *path)
{
    const int file = open(path, O_RDWR);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        return false;
    }
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    layer_values = (uint32_t)(((size_t)status.st_size - sizeof(ek_state)) / sizeof(uint64_t));
    state = (ek_state *)memory;
    return memory != MAP_FAILED;
}

static bool read_line(char *line)
{
    unsigned long long a = 0, b = 0;
    unsigned flags = 0;
    if (strncmp(line, "state ", 6) == 0) {
        line[strcspn(line, "\n")] = '\0';
        return map_state(line + 6);
    }
    if (sscanf(line, "overhead %llx %llx", &a, &b) == 2 && overhead_count < MAX_OVERHEADS) {
        overheads[overhead_count++] = (ek_range){a, b, 0};
        return true;
    }
    if (sscanf(line, "layer %llx %llx", &a, &b) == 2 && layer_count < MAX_LAYERS && b < layer_values) {
        layers[layer_count++] = (ek_layer){a, (uint32_t)b};
        return true;
    }
    if (sscanf(line, "memory %llx %llx %x", &a, &b, &flags) == 3 && memory_count < MAX_MEMORIES) {
        memories[memory_count++] = (ek_range){a, b, flags};
        return true;
    }
    return false;
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                                               char **argv)
{
    char line[4096];
    (void)info;
    FILE *config = argc == 1 && strncmp(argv[0], "config=", 7) == 0 ? fopen(argv[0] + 7, "r") : NULL;
    if (config == NULL) {
        return 1;
    }
    bool ok = true;
    while (ok && fgets(line, sizeof line, config) != NULL) {
        ok = read_line(line);
    }
    fclose(config);
    if (!ok || state == NULL) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
