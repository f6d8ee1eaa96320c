/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to the heap. It exists so that tests can make any allocation
 * fail and can see that nothing is left behind. The library allocates nowhere
 * else. Any thread.
 */
#ifndef WPIPE__MEMORY_H
#define WPIPE__MEMORY_H

#include <stddef.h>

/* `size` zeroed bytes (at least one), or NULL. Free with wpipe__free. */
void *wpipe__alloc(size_t size);

/*
 * As realloc: NULL makes a new block, the bytes beyond the old size are not
 * set, and a NULL result leaves `p` as it was. Size 0 counts as 1.
 */
void *wpipe__resize(void *p, size_t size);

/* Takes NULL. */
void wpipe__free(void *p);

/* A copy of the string `text`, or NULL; NULL gives NULL. */
char *wpipe__copy_text(const char *text);

/*
 * For tests: the n-th allocation from now (1 is the next one) fails, and all
 * after it until this is called with 0. A negative n makes only the |n|-th
 * one fail. Returns what is left of the count before: 0, also of a negative one
 * that was met.
 */
long wpipe__memory_fail_at(long n);

/* For tests: how many blocks are allocated and not freed. */
long wpipe__memory_live(void);

#endif
