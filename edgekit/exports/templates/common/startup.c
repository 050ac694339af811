/* Start-up for any Cortex-M: vector table, FPU, .data and .bss, then main. It sets no clock and knows no interrupt of
 * the chip: take the vendor's start-up file and linker script in its place when you need those. */
#include <stdint.h>

extern uint32_t __ek_stack_top[];
extern const uint32_t __ek_data_load[];
extern uint32_t __ek_data_start[], __ek_data_end[];
extern uint32_t __ek_bss_start[], __ek_bss_end[];

int main(void);
void Reset_Handler(void);
void Default_Handler(void);

#define WEAK __attribute__((weak, alias("Default_Handler")))
WEAK void NMI_Handler(void);
WEAK void HardFault_Handler(void);
WEAK void MemManage_Handler(void);
WEAK void BusFault_Handler(void);
WEAK void UsageFault_Handler(void);
WEAK void SVC_Handler(void);
WEAK void DebugMon_Handler(void);
WEAK void PendSV_Handler(void);
WEAK void SysTick_Handler(void);

typedef struct {
    uint32_t *stack_top;
    void (*handlers[15])(void);
} vector_table;

__attribute__((used, section(".vectors"))) const vector_table vectors = {
    __ek_stack_top,
    {Reset_Handler, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler, UsageFault_Handler, 0, 0, 0, 0,
     SVC_Handler, DebugMon_Handler, 0, PendSV_Handler, SysTick_Handler}};

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)

__attribute__((noreturn)) void Reset_Handler(void)
{
    SCB_VTOR = (uint32_t)(uintptr_t)&vectors;
#if defined(__ARM_FP)
    SCB_CPACR |= 0xFu << 20;
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
    (void)main();
    Default_Handler();
    for (;;) {
    }
}

/* A debugger finds the program here after a fault, and where main gave up. */
__attribute__((noinline)) void Default_Handler(void)
{
    for (;;) {
        __asm__ volatile("");
    }
}
