/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What code compiled with -fsanitize=thread calls, and what the linker puts in
 * front of libc (--wrap): all goes to the machine of machine.h.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "words.h"

#define CALLER __builtin_return_address(0)

/* ---- plain accesses ------------------------------------------------------ */

void __tsan_init(void)
{
}

#define PLAIN(name, size, writes)             \
    void __tsan_##name(void *at)              \
    {                                         \
        weak_plain(at, size, writes, CALLER); \
    }

PLAIN(read1, 1, 0)
PLAIN(read2, 2, 0)
PLAIN(read4, 4, 0)
PLAIN(read8, 8, 0)
PLAIN(read16, 16, 0)
PLAIN(write1, 1, 1)
PLAIN(write2, 2, 1)
PLAIN(write4, 4, 1)
PLAIN(write8, 8, 1)
PLAIN(write16, 16, 1)
PLAIN(unaligned_read2, 2, 0)
PLAIN(unaligned_read4, 4, 0)
PLAIN(unaligned_read8, 8, 0)
PLAIN(unaligned_read16, 16, 0)
PLAIN(unaligned_write2, 2, 1)
PLAIN(unaligned_write4, 4, 1)
PLAIN(unaligned_write8, 8, 1)
PLAIN(unaligned_write16, 16, 1)

void __tsan_read_range(void *at, size_t size)
{
    weak_plain(at, size, 0, CALLER);
}

void __tsan_write_range(void *at, size_t size)
{
    weak_plain(at, size, 1, CALLER);
}

/* ---- atomics ------------------------------------------------------------- */

#define EXCHANGE(bits, name, result)                                          \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *at,           \
                                                uint##bits##_t by, int order) \
    {                                                                         \
        uint##bits##_t old;                                                   \
        struct word *w;                                                       \
                                                                              \
        weak_stumble();                                                       \
        weak_lock();                                                          \
        old = *at;                                                            \
        w = weak_word(at, old);                                               \
        *(volatile uint##bits##_t *)at = (uint##bits##_t)(result);            \
        weak_store(w, *at, order, 1);                                         \
        weak_unlock();                                                        \
        return old;                                                           \
    }

#define SWAP(bits, name)                                                   \
    int __tsan_atomic##bits##_compare_exchange_##name(                     \
        uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t to,   \
        int order, int order_failed)                                       \
    {                                                                      \
        struct word *w;                                                    \
        int same;                                                          \
                                                                           \
        weak_stumble();                                                    \
        weak_lock();                                                       \
        w = weak_word(at, *at);                                            \
        same = *at == *expected;                                           \
        if (same) {                                                        \
            *(volatile uint##bits##_t *)at = to;                           \
            weak_store(w, to, order, 1);                                   \
        } else {                                                           \
            /* not late: the next try would be the same */                 \
            *expected = (uint##bits##_t)weak_load_newest(w, order_failed); \
        }                                                                  \
        weak_unlock();                                                     \
        return same;                                                       \
    }

#define ATOMICS(bits)                                                        \
    uint##bits##_t __tsan_atomic##bits##_load(uint##bits##_t *at, int order) \
    {                                                                        \
        uint##bits##_t value;                                                \
                                                                             \
        weak_stumble();                                                      \
        weak_lock();                                                         \
        value = (uint##bits##_t)weak_load(weak_word(at, *at), order);        \
        weak_unlock();                                                       \
        return value;                                                        \
    }                                                                        \
    void __tsan_atomic##bits##_store(uint##bits##_t *at, uint##bits##_t to,  \
                                     int order)                              \
    {                                                                        \
        struct word *w;                                                      \
                                                                             \
        weak_stumble();                                                      \
        weak_lock();                                                         \
        w = weak_word(at, *at);                                              \
        *(volatile uint##bits##_t *)at = to;                                 \
        weak_store(w, to, order, 0);                                         \
        weak_unlock();                                                       \
    }                                                                        \
    EXCHANGE(bits, exchange, by)                                             \
    EXCHANGE(bits, fetch_add, old + by)                                      \
    EXCHANGE(bits, fetch_sub, old - by)                                      \
    EXCHANGE(bits, fetch_and, old &by)                                       \
    EXCHANGE(bits, fetch_or, old | by)                                       \
    SWAP(bits, strong)                                                       \
    SWAP(bits, weak)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order)
{
    weak_stumble();
    weak_lock();
    weak_fence(weak_self(), order);
    weak_unlock();
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* ---- memory -------------------------------------------------------------- */

void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    weak_plain(from, size, 0, CALLER);
    weak_plain(to, size, 1, CALLER);
    return __real_memcpy(to, from, size);
}

void *__real_memset(void *to, int byte, size_t size);
void *__wrap_memset(void *to, int byte, size_t size)
{
    weak_plain(to, size, 1, CALLER);
    return __real_memset(to, byte, size);
}

static void *fresh(void *p)
{
    if (p) {
        weak_lock();
        weak_forget(p, malloc_usable_size(p));
        weak_unlock();
    }
    return p;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fresh(__real_calloc(count, size));
}

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return fresh(__real_realloc(fresh(p), size));
}

void __real_free(void *p);
void __wrap_free(void *p)
{
    __real_free(fresh(p));
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset)
{
    void *p = __real_mmap(at, size, protection, flags, fd, offset);

    if (p == MAP_FAILED || fd < 0)
        return p;
    weak_lock();
    weak_mapped(p, size, fd);
    weak_unlock();
    return p;
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    weak_lock();
    weak_unmapped(at);
    weak_unlock();
    return __real_munmap(at, size);
}

/* ---- locks and threads --------------------------------------------------- */

#define LOCKS 1024

/* By the lock's address: two of the same place order a little too much. */
static struct weak_view locks[LOCKS];

static struct weak_view *view_of(const void *lock)
{
    return &locks[((uintptr_t)lock >> 4) * 2654435761u % LOCKS];
}

int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
    int r = __real_pthread_mutex_lock(m);

    weak_lock();
    weak_join(&weak_self()->now, view_of(m));
    weak_unlock();
    return r;
}

int __real_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
    weak_lock();
    weak_release_to(view_of(m));
    weak_unlock();
    return __real_pthread_mutex_unlock(m);
}

static struct started {
    pthread_t thread;
    struct weak_thread *machine;
    void *(*run)(void *);
    void *argument;
    int live;
} started[WEAK_THREADS];

static void *run(void *argument)
{
    struct started *s = argument;

    weak_be(s->machine);
    return s->run(s->argument);
}

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    struct started *s = started;
    int r;

    weak_lock();
    while (s->live)
        s++;
    s->live = 1;
    s->run = start;
    s->argument = argument;
    s->machine = weak_begin();
    weak_release_to(&s->machine->now);
    weak_unlock();
    r = __real_pthread_create(&s->thread, attributes, run, s);
    *ret = s->thread;
    return r;
}

int __real_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_join(pthread_t thread, void **ret)
{
    int r = __real_pthread_join(thread, ret);

    weak_lock();
    for (int i = 0; i < WEAK_THREADS; i++)
        if (started[i].live && pthread_equal(started[i].thread, thread)) {
            weak_join(&weak_self()->now, &started[i].machine->now);
            weak_end(started[i].machine);
            started[i].live = 0;
        }
    weak_unlock();
    return r;
}

/* ---- the kernel ---------------------------------------------------------- */

static struct weak_view kernel;

static void tell_kernel(void)
{
    weak_lock();
    weak_release_to(&kernel);
    weak_unlock();
}

/* Also of the end of whoever had the other end; but not by finding nothing. */
static ssize_t told_by_kernel(ssize_t r)
{
    int error = errno;

    if (r < 0 && error != EPIPE && error != ECONNRESET)
        return r;
    weak_lock();
    weak_join(&weak_self()->now, &kernel);
    weak_unlock();
    errno = error;
    return r;
}

/* A send that finds nobody tells what that one did before it went. */
static ssize_t told_of_end(ssize_t r)
{
    return r < 0 ? told_by_kernel(r) : r;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    tell_kernel();
    return told_of_end(__real_sendmsg(fd, message, flags));
}

ssize_t __real_send(int fd, const void *from, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t size, int flags)
{
    tell_kernel();
    return told_of_end(__real_send(fd, from, size, flags));
}

ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size)
{
    tell_kernel();
    return __real_write(fd, from, size);
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    tell_kernel();
    return __real_shutdown(fd, how);
}

int __real_close(int fd);
int __wrap_close(int fd)
{
    tell_kernel();
    return __real_close(fd);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    return told_by_kernel(__real_recvmsg(fd, message, flags));
}

ssize_t __real_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags)
{
    return told_by_kernel(__real_recv(fd, to, size, flags));
}

ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size)
{
    return told_by_kernel(__real_read(fd, to, size));
}

int weak_no_barrier;

/* futex, membarrier, and what orders nothing */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_membarrier && weak_no_barrier) {
        errno = ENOSYS;
        return -1;
    }
    if (number == SYS_membarrier && a[0] == MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
        weak_lock();
        weak_barrier();
        weak_unlock();
    }
    if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAKE)
        tell_kernel();
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
