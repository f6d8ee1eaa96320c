/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap behind memory.h: libc's, with a count of live blocks and a place
 * to make allocations fail. Relaxed atomics are enough: the numbers order
 * nothing.
 */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long live_blocks;
static atomic_long fail_countdown; /* 0: off; sign as in memory.h */

/* Count one allocation down; 1 when it is to fail. */
static int countdown_fails(long n)
{
    long next;

    do {
        if (n == 0)
            return 0;
        if (n == 1)
            return 1; /* and stays 1: all after it fail too */
        next = n > 0 ? n - 1 : n + 1;
    } while (!atomic_compare_exchange_weak_explicit(
        &fail_countdown, &n, next, memory_order_relaxed, memory_order_relaxed));
    return n == -1;
}

/* 1 when a block of `size` is not to be had: too large, or by the test hook. */
static int must_fail(size_t size)
{
    long n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    return size > PTRDIFF_MAX || (n != 0 && countdown_fails(n));
}

void *wpipe__alloc(size_t size)
{
    void *p;

    if (must_fail(size))
        return NULL;
    p = calloc(1, size == 0 ? 1 : size);
    if (p != NULL)
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return p;
}

void *wpipe__resize(void *p, size_t size)
{
    void *resized;

    if (must_fail(size))
        return NULL;
    resized = realloc(p, size == 0 ? 1 : size);
    if (p == NULL && resized != NULL)
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return resized;
}

void wpipe__free(void *p)
{
    if (p == NULL)
        return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(p);
}

char *wpipe__copy_text(const char *text)
{
    size_t size;
    char *copy;

    if (text == NULL)
        return NULL;
    size = strlen(text) + 1;
    copy = wpipe__resize(NULL, size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

long wpipe__memory_fail_at(long n)
{
    return atomic_exchange_explicit(&fail_countdown, n, memory_order_relaxed);
}

long wpipe__memory_live(void)
{
    return atomic_load_explicit(&live_blocks, memory_order_relaxed);
}
