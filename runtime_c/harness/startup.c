/* Start-up for Cortex-M: vector table, reset handler, fault handler, and the two marks that the emulator stops at.
 * The symbols named __ek_* come from the linker script that edgekit generates. */
#include <stdint.h>

extern uint32_t __ek_stack_top[];
extern const uint32_t __ek_data_load[];
extern uint32_t __ek_data_start[], __ek_data_end[];
extern uint32_t __ek_bss_start[], __ek_bss_end[];

int main(void);
void Reset_Handler(void);
__attribute__((noreturn)) void ek_fault(void);
void ek_ready(void);
void ek_done(void);

#define EK_HANDLERS 15

typedef struct {
    uint32_t *stack_top;
    void (*handlers[EK_HANDLERS])(void);
} ek_vector_table;

/* Only the system exceptions: the harness enables no interrupt. */
__attribute__((used, section(".vectors")))
const ek_vector_table ek_vectors = {__ek_stack_top,
                                    {Reset_Handler, ek_fault, ek_fault, ek_fault, ek_fault, ek_fault, ek_fault,
                                     ek_fault, ek_fault, ek_fault, ek_fault, ek_fault, ek_fault, ek_fault, ek_fault}};

#define EK_SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define EK_SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)

__attribute__((used, noreturn)) void Reset_Handler(void)
{
    EK_SCB_VTOR = (uint32_t)(uintptr_t)&ek_vectors;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    EK_SCB_CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    /* volatile: the compiler must not turn these loops into calls before memory is set up. */
    const volatile uint32_t *from = __ek_data_load;
    for (volatile uint32_t *to = __ek_data_start; to != __ek_data_end; to++) {
        *to = *from++;
    }
    for (volatile uint32_t *to = __ek_bss_start; to != __ek_bss_end; to++) {
        *to = 0;
    }
    /* main only returns when the model refuses to start. */
    (void)main();
    ek_fault();
}

__attribute__((used, noreturn, noinline)) void ek_fault(void)
{
    for (;;) {
        __asm__ volatile("");
    }
}

__attribute__((used, noinline)) void ek_ready(void)
{
    __asm__ volatile("");
}

__attribute__((used, noinline)) void ek_done(void)
{
    __asm__ volatile("" ::: "memory");
}
