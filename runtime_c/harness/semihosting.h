/* Arm semihosting: text out and the end of the program, for emulators and debug probes that answer BKPT 0xAB. */
#ifndef EK_SEMIHOSTING_H
#define EK_SEMIHOSTING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Write a zero-terminated string to the host's console. */
void ek_semihost_write(const char *text);

/* Write bytes as lower-case hexadecimal and a line feed. */
void ek_semihost_hex(const void *data, size_t size);

/* End the program with an exit status; does not return. */
__attribute__((noreturn)) void ek_semihost_exit(int status);

#ifdef __cplusplus
}
#endif
#endif
