/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what may let us wait. A descriptor that a peer passed can be of
 * anything, and closing it can take as long as its maker likes: a TCP socket
 * that lingers, a file of a FUSE server that does not answer, a thousand nested
 * pollers. The same holds for a socket with such descriptors in its queue. What
 * is not known to be harmless is parked here, and threads that exist only while
 * there is something to close take it from there. Nobody waits for them.
 */
#include "os/os.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/posix.h"

/* Freeing so much memory takes some milliseconds at the most. */
#define HARMLESS_BYTES ((uint64_t)16 << 20)

enum {
    THREADS = 8,
    DESCRIPTORS = 1 << 20, /* what Linux gives a process by default; one
                              beyond that stays open */
    LOOK_PIECE = 4096,
    LOOK_PIECES = 64
};

/* ---- what waits to be closed --------------------------------------------- */

/* A bit for each descriptor. A forked child has copies of them, and so the same
 * ones to close. */
static _Atomic uint64_t parked[DESCRIPTORS / 64];
static _Atomic int parked_count;

/* 0: it cannot be. */
static int park(int fd)
{
    if (fd >= DESCRIPTORS)
        return 0;
    atomic_fetch_or(&parked[fd / 64], UINT64_C(1) << fd % 64);
    atomic_fetch_add(&parked_count, 1);
    return 1;
}

/* One of these 64, or -1. */
static int unpark_from(int word)
{
    uint64_t bits = atomic_load(&parked[word]);
    uint64_t lowest;
    int bit = 0;

    do {
        lowest = bits & (~bits + 1);
        if (lowest == 0)
            return -1;
    } while (
        !atomic_compare_exchange_weak(&parked[word], &bits, bits & ~lowest));
    atomic_fetch_sub(&parked_count, 1);
    while (lowest >> bit != 1)
        bit++;
    return word * 64 + bit;
}

/* One of them all, or -1. */
static int unpark(void)
{
    int fd = -1;
    int i;

    for (i = 0; i < DESCRIPTORS / 64 && fd < 0; i++) {
        if (atomic_load(&parked_count) <= 0)
            return -1;
        fd = unpark_from(i);
    }
    return fd;
}

/* ---- the closing threads ------------------------------------------------- */

/* How many there are, below the generation of the process that counted: a
 * forked child has none. */
static _Atomic uint64_t threads;

static int enter(void)
{
    const uint64_t own = (uint64_t)wpipe__os_generation() << 32;
    uint64_t before = atomic_load(&threads);
    uint64_t count;

    do {
        count = before >> 32 == own >> 32 ? before & UINT32_MAX : 0;
        if (count >= THREADS)
            return 0;
    } while (
        !atomic_compare_exchange_weak(&threads, &before, own | (count + 1)));
    return 1;
}

static void leave(void)
{
    atomic_fetch_sub(&threads, 1);
}

static void start_thread(void);

static void *close_parked(void *user)
{
    int fd;

    (void)user;
    do {
        while ((fd = unpark()) >= 0) {
            start_thread(); /* for the others, should this one take long */
            close(fd);
        }
        leave();
        /* what was parked since found us still counted */
    } while (atomic_load(&parked_count) > 0 && enter());
    return NULL;
}

/* If something is parked and there may be one more. Signals are for the
 * threads of the program. */
static void start_thread(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int number;

    if (atomic_load(&parked_count) == 0 || !enter())
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    number = pthread_create(&thread, NULL, close_parked, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number == 0)
        pthread_detach(thread);
    else
        leave(); /* the next one takes it along */
}

static void close_elsewhere(int fd)
{
    if (park(fd))
        start_thread();
}

/* ---- what is to be closed ------------------------------------------------ */

void wpipe__os_discard(wpipe__handle handle)
{
    const int number = errno;

    if (handle >= 0) {
        if (wpipe__os_sealed_bytes(handle) <= HARMLESS_BYTES)
            close(handle);
        else
            close_elsewhere(handle);
    }
    errno = number;
}

/* Are there no descriptors in its queue? Looks at as much as a usual socket
 * holds. */
static int holds_bytes_only(int socket)
{
    char bytes[LOOK_PIECE];
    struct iovec parts[LOOK_PIECES];
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = LOOK_PIECES };
    int queued = 0;
    ssize_t n;
    int i;

    for (i = 0; i < LOOK_PIECES; i++) { /* nobody reads them */
        parts[i].iov_base = bytes;
        parts[i].iov_len = sizeof(bytes);
    }
    n = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0) /* EINVAL: it listens; what is behind it cannot be seen */
        return n == 0 || errno != EINVAL;
    /* a look ends at the first descriptor */
    return !(message.msg_flags & MSG_CTRUNC) &&
           ioctl(socket, SIOCINQ, &queued) == 0 && queued == n;
}

/* Nothing can be added meanwhile: senders are refused, and a look takes the
 * lock that they hold. */
static int is_harmless(int socket, int passing)
{
    int queued = 0;

    if (passing == WPIPE__PASSES_NOTHING)
        return 1;
    if (passing == WPIPE__PASSES_DUE && ioctl(socket, SIOCINQ, &queued) == 0 &&
        queued == 0)
        return 1; /* he will not hurry to add something */
    if (passing != WPIPE__PASSED_BEFORE && !wpipe__os_set_passing(socket, 0))
        shutdown(socket, SHUT_RDWR);
    return holds_bytes_only(socket);
}

void wpipe__os_close_socket(wpipe__handle socket, int passing)
{
    const int number = errno;

    if (socket < 0)
        return;
    if (is_harmless(socket, passing)) {
        close(socket);
    } else {
        shutdown(socket, SHUT_RDWR); /* the peer is not to wait for it */
        close_elsewhere(socket);
    }
    errno = number;
}

void wpipe__os_close_unknown(wpipe__handle socket, uint32_t generation)
{
    const int number = errno;
    int passing = WPIPE__PASSES_NOTHING;

    if (socket >= 0 && generation == wpipe__os_generation())
        passing = wpipe__os_refuse_passing(socket);
    wpipe__os_close_socket(socket, passing);
    errno = number;
}

void wpipe__os_close_shared(wpipe__handle socket, uint32_t generation)
{
    const int number = errno;

    if (socket >= 0 && generation == wpipe__os_generation())
        close_elsewhere(socket); /* it may be the last one after all */
    else if (socket >= 0)
        close(socket);
    errno = number;
}
