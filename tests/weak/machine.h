/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with a weaker memory than any that we have, for tests of the order
 * of memory. The library is compiled with -fsanitize=thread, so that each
 * access calls a function, and is linked with these in place of
 * ThreadSanitizer. What it does with them:
 *
 * - Each atomic word keeps its last few values. A load may give any of them
 *   that C11 allows: no older one than this thread has seen, or has been told
 *   of by an acquire of a release. So a store is seen late, and two stores are
 *   seen in the wrong order, unless the code forbids it.
 * - Plain accesses that nothing orders, one of them a write, are a data race:
 *   it is told on standard error, and the program ends with status 1.
 * - The two mappings of a segment are one memory: an end of a connection is
 *   compared with the other end.
 *
 * What it does not do: a load never gives a value that is stored later
 * (load buffering), and what one system call orders orders more than it must:
 * whatever was sent is known to whoever receives anything.
 */
#ifndef WEAK_MACHINE_H
#define WEAK_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#define WEAK_THREADS   16
#define WEAK_WORDS     512 /* atomic words at a time */
#define WEAK_REMEMBERS 6   /* values of each */

/* What a thread knows: of each word, the oldest value that it may still see;
 * of each thread, how far that one has come for sure. */
struct weak_view {
    uint32_t oldest[WEAK_WORDS];
    uint32_t clock[WEAK_THREADS];
};

struct weak_thread {
    int number;
    uint64_t random;
    struct weak_view now;
    struct weak_view met;      /* by relaxed loads: an acquire fence adds it */
    struct weak_view released; /* at the last release fence */
    uint8_t late[WEAK_WORDS];  /* loads of an old value in a row */
};

/* All of these under the machine's lock. */
struct weak_thread *weak_self(void);
void weak_lock(void);
void weak_unlock(void);
void weak_join(struct weak_view *into, const struct weak_view *from);
void weak_fence(struct weak_thread *t, int order);
/* All threads pass a sequentially consistent fence (membarrier). */
void weak_barrier(void);
void weak_release_to(struct weak_view *view);
/* A place in memory, the same for all mappings of it. */
uint64_t weak_place(const void *at);
void weak_mapped(void *at, size_t size, int fd);
void weak_unmapped(void *at);
/* What lies there is new: nobody has touched it. */
void weak_forget(const void *at, size_t size);

void weak_plain(const void *at, size_t size, int writes, void *caller);
/* membarrier is a call that this system does not have. */
extern int weak_no_barrier;
/* Let another thread run, sometimes. Without the lock. */
void weak_stumble(void);

#endif
