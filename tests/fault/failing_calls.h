/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that fail once. The linker puts a function of ours in front of
 * each call that src/os makes (--wrap): it gives an error without making the
 * call, or makes it. For test_failing_calls.c.
 */
#ifndef WINDPIPE_TESTS_FAILING_CALLS_H
#define WINDPIPE_TESTS_FAILING_CALLS_H

#include <stddef.h>

enum {
    FAILING_ERRORS = 8
};

struct failing_call {
    const char *name;
    int errors[FAILING_ERRORS]; /* what the kernel may say; ends with 0 */
};

extern const struct failing_call failing_calls[];
extern const size_t failing_call_count;

/* From now on the count-th such call (from 1) fails, once. */
void failing_arm(size_t call, int error, long count);
/* No more of that. Returns 1 when it has failed. */
int failing_disarm(void);

#endif
