/* Semihosting operations (Arm's "Semihosting for AArch32 and AArch64", release 2.0). */
#include "semihosting.h"

#include <stdint.h>

#define EK_SYS_WRITE0 0x04u
#define EK_SYS_EXIT_EXTENDED 0x20u
#define EK_APPLICATION_EXIT 0x20026u
#define EK_HEX_CHUNK 32u

static void call(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void ek_semihost_write(const char *text)
{
    call(EK_SYS_WRITE0, text);
}

void ek_semihost_hex(const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = (const uint8_t *)data;
    char line[2u * EK_HEX_CHUNK + 1u];
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        line[used++] = digits[bytes[i] >> 4];
        line[used++] = digits[bytes[i] & 15u];
        if (used == 2u * EK_HEX_CHUNK) {
            line[used] = '\0';
            ek_semihost_write(line);
            used = 0;
        }
    }
    line[used] = '\0';
    ek_semihost_write(line);
    ek_semihost_write("\n");
}

void ek_semihost_exit(int status)
{
    const uint32_t block[2] = {EK_APPLICATION_EXIT, (uint32_t)status};
    call(EK_SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}
