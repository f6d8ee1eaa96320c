/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For builds that count what the tests reach, and for no others: a process
 * that ends by _exit or by a signal that it raises writes its counters first.
 * The linker puts these in front of the real ones (cmake/WindpipeTarget.cmake).
 * What another process kills cannot be counted.
 */
#include <signal.h>
#include <unistd.h>

/* Of gcc's libgcov. */
void __gcov_dump(void);
void __gcov_reset(void);

void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));
int __real_raise(int number);
int __wrap_raise(int number);

/* It may go on and count more: that is added to what is written here. */
static void write_counters(void)
{
    __gcov_dump();
    __gcov_reset();
}

void __wrap__exit(int status)
{
    write_counters();
    __real__exit(status);
}

int __wrap_raise(int number)
{
    write_counters();
    return __real_raise(number);
}
