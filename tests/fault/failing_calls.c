/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions in front of the system's, made from one table: what they
 * return and take, and which errors Linux may give there. CMake makes the
 * linker's options from the same lines.
 *
 * Not in it, since a failure has no meaning or no way out: close (Linux closes
 * even when it says EINTR), munmap and unlinkat (what stays is lost by the
 * failure itself), flock, fstatat and lstat (whose is the file? it is left
 * alone then), timerfd_settime, shutdown, and what cannot fail with
 * arguments that are right, as fstat, getsockopt and
 * fcntl. Calls that wait for
 * nothing, such as a look-up in a local directory, are not interrupted. A send
 * to a native peer finds room always, or the peer has lied (docs/wire.md), so
 * EAGAIN is not among its errors.
 */
#include "failing_calls.h"

#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* CALL(returns, name, parameters, arguments, errors) */
#define CALLS                                                                  \
    CALL(int, socket, (int a, int b, int c), (a, b, c), EMFILE, ENFILE,        \
         ENOBUFS, ENOMEM, EACCES)                                              \
    CALL(int, socketpair, (int a, int b, int c, int d[2]), (a, b, c, d),       \
         EMFILE, ENFILE, ENOBUFS, ENOMEM)                                      \
    CALL(int, bind, (int a, const struct sockaddr *b, socklen_t c), (a, b, c), \
         ENOMEM, ENOSPC, EACCES, EROFS)                                        \
    CALL(int, listen, (int a, int b), (a, b), ENOMEM, EPERM)                   \
    CALL(int, connect, (int a, const struct sockaddr *b, socklen_t c),         \
         (a, b, c), EINTR, EAGAIN, ENOMEM, EPERM)                              \
    CALL(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d),       \
         (a, b, c, d), EINTR, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM,         \
         ECONNABORTED)                                                         \
    CALL(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d), \
         EINTR, ENOBUFS, ENOMEM, EPERM)                                        \
    CALL(ssize_t, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c),  \
         EINTR, ENOBUFS, ENOMEM, EPERM, ETOOMANYREFS)                          \
    CALL(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d),       \
         EINTR, EAGAIN, ENOMEM, EPERM)                                         \
    CALL(ssize_t, recvmsg, (int a, struct msghdr *b, int c), (a, b, c), EINTR, \
         EAGAIN, ENOMEM, ENOBUFS, EPERM)                                       \
    CALL(ssize_t, read, (int a, void *b, size_t c), (a, b, c), EINTR, EAGAIN,  \
         ENOMEM, EIO)                                                          \
    CALL(ssize_t, write, (int a, const void *b, size_t c), (a, b, c), EINTR,   \
         EAGAIN, ENOMEM)                                                       \
    CALL(ssize_t, writev, (int a, const struct iovec *b, int c), (a, b, c),    \
         EINTR, EAGAIN, ENOMEM, EPERM)                                         \
    CALL(ssize_t, pread, (int a, void *b, size_t c, off_t d), (a, b, c, d),    \
         EINTR, EIO)                                                           \
    CALL(ssize_t, pwrite, (int a, const void *b, size_t c, off_t d),           \
         (a, b, c, d), EINTR, ENOSPC, EIO)                                     \
    CALL(int, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c), EINTR,    \
         ENOMEM)                                                               \
    CALL(int, epoll_create1, (int a), (a), EMFILE, ENFILE, ENOMEM)             \
    CALL(int, epoll_ctl, (int a, int b, int c, struct epoll_event *d),         \
         (a, b, c, d), ENOMEM, ENOSPC, EPERM)                                  \
    CALL(int, epoll_wait, (int a, struct epoll_event *b, int c, int d),        \
         (a, b, c, d), EINTR)                                                  \
    CALL(int, eventfd, (unsigned a, int b), (a, b), EMFILE, ENFILE, ENOMEM)    \
    CALL(int, timerfd_create, (int a, int b), (a, b), EMFILE, ENFILE, ENOMEM)  \
    CALL(int, inotify_init1, (int a), (a), EMFILE, ENFILE, ENOMEM)             \
    CALL(int, inotify_add_watch, (int a, const char *b, uint32_t c),           \
         (a, b, c), ENOSPC, ENOMEM, EACCES)                                    \
    CALL(int, memfd_create, (const char *a, unsigned b), (a, b), EMFILE,       \
         ENFILE, ENOMEM, EPERM, ENOSYS)                                        \
    CALL(int, ftruncate, (int a, off_t b), (a, b), EINTR, EPERM, ENOSPC)       \
    CALL(int, fallocate, (int a, int b, off_t c, off_t d), (a, b, c, d),       \
         EINTR, ENOSPC, ENOMEM, EPERM)                                         \
    CALL(void *, mmap, (void *a, size_t b, int c, int d, int e, off_t f),      \
         (a, b, c, d, e, f), ENOMEM, EAGAIN, ENFILE, EPERM)                    \
    CALL(int, madvise, (void *a, size_t b, int c), (a, b, c), ENOMEM, EAGAIN,  \
         EINVAL)                                                               \
    CALL(int, fchmod, (int a, mode_t b), (a, b), EPERM, EROFS)                 \
    CALL(int, fchmodat, (int a, const char *b, mode_t c, int d), (a, b, c, d), \
         EPERM, EROFS)                                                         \
    CALL(int, chmod, (const char *a, mode_t b), (a, b), EPERM)                 \
    CALL(int, fstatfs, (int a, struct statfs *b), (a, b), ENOSYS)              \
    CALL(int, access, (const char *a, int b), (a, b), EACCES, ENOMEM)          \
    CALL(int, linkat, (int a, const char *b, int c, const char *d, int e),     \
         (a, b, c, d, e), ENOSPC, ENOMEM, EPERM, EROFS)                        \
    CALL(int, renameat, (int a, const char *b, int c, const char *d),          \
         (a, b, c, d), ENOSPC, ENOMEM, EACCES)                                 \
    CALL(int, mkdir, (const char *a, mode_t b), (a, b), ENOSPC, EACCES, EROFS) \
    CALL(int, mkdirat, (int a, const char *b, mode_t c), (a, b, c), ENOSPC,    \
         EACCES)                                                               \
    CALL(ssize_t, getrandom, (void *a, size_t b, unsigned c), (a, b, c),       \
         EINTR, ENOSYS)                                                        \
    CALL(int, setsockopt, (int a, int b, int c, const void *d, socklen_t e),   \
         (a, b, c, d, e), ENOMEM, EPERM)                                       \
    CALL(int, pipe2, (int a[2], int b), (a, b), EMFILE, ENFILE)                \
    CALL(pid_t, waitpid, (pid_t a, int *b, int c), (a, b, c), EINTR)           \
    CALL(int, sigtimedwait,                                                    \
         (const sigset_t *a, siginfo_t *b, const struct timespec *c),          \
         (a, b, c), EINTR)                                                     \
    CALL(int, nanosleep, (const struct timespec *a, struct timespec *b),       \
         (a, b), EINTR)                                                        \
    CALL(int, sem_wait, (sem_t * a), (a), EINTR)

/* With arguments that depend on others: three longs hold them all. */
#define CALLS_OPEN                                                             \
    CALL(int, open, (const char *a, int b, long c), (a, b, c), EMFILE, ENFILE, \
         ENOMEM, EACCES)                                                       \
    CALL(int, openat, (int a, const char *b, int c, long d), (a, b, c, d),     \
         EMFILE, ENFILE, ENOMEM, EACCES)                                       \
    CALL(int, ioctl, (int a, unsigned long b, long c), (a, b, c), ENOMEM, EPERM)

/* By syscall(): a sleep on a word, and what old systems lack. */
#define CALLS_SYSCALL               \
    CALL(int, futex, (), (), EINTR) \
    CALL(int, other, (), (), ENOSYS, EPERM)

/* NULL when it fails. */
#define CALLS_POINTER CALL(DIR *, fdopendir, (int a), (a), ENOMEM)

/* Those that return their error. */
#define CALLS_NUMBER                                                           \
    CALL(                                                                      \
        int, pthread_create,                                                   \
        (pthread_t * a, const pthread_attr_t *b, void *(*c)(void *), void *d), \
        (a, b, c, d), EAGAIN)                                                  \
    CALL(int, posix_spawnp,                                                    \
         (pid_t * a, const char *b, const posix_spawn_file_actions_t *c,       \
          const posix_spawnattr_t *d, char *const *e, char *const *f),         \
         (a, b, c, d, e, f), EAGAIN, ENOMEM)

#define CALL(returns, name, parameters, arguments, ...) CALL_##name,
enum {
    CALLS CALLS_OPEN CALLS_SYSCALL CALLS_POINTER CALLS_NUMBER CALL_COUNT
};
#undef CALL

#define CALL(returns, name, parameters, arguments, ...) \
    { #name, { __VA_ARGS__ } },
const struct failing_call failing_calls[] = {
    CALLS CALLS_OPEN CALLS_SYSCALL CALLS_POINTER CALLS_NUMBER
};
#undef CALL

const size_t failing_call_count = CALL_COUNT;

static atomic_int armed_call = -1;
static atomic_int armed_error;
static atomic_long left; /* until it fails; 0: it has */

void failing_arm(size_t call, int error, long count)
{
    atomic_store(&left, count);
    atomic_store(&armed_error, error);
    atomic_store(&armed_call, (int)call);
}

int failing_disarm(void)
{
    atomic_store(&armed_call, -1);
    return atomic_load(&left) <= 0;
}

/* The error that this call gives, or 0. */
static int failing_now(int call)
{
    if (atomic_load(&armed_call) != call || atomic_fetch_sub(&left, 1) != 1)
        return 0;
    return atomic_load(&armed_error);
}

#define CALL(returns, name, parameters, arguments, ...) \
    returns __real_##name parameters;                   \
    returns __wrap_##name parameters;                   \
    returns __wrap_##name parameters                    \
    {                                                   \
        int error = failing_now(CALL_##name);           \
                                                        \
        if (error == 0)                                 \
            return __real_##name arguments;             \
        errno = error;                                  \
        return CALL_FAILED(returns);                    \
    }
#define CALL_FAILED(returns) (returns)(intptr_t) - 1
/* clang-format off */
CALLS CALLS_OPEN
#undef CALL_FAILED
#define CALL_FAILED(returns) NULL
CALLS_POINTER
#undef CALL

#define CALL(returns, name, parameters, arguments, ...)      \
    returns __real_##name parameters;                        \
    returns __wrap_##name parameters;                        \
    returns __wrap_##name parameters                         \
    {                                                        \
        int error = failing_now(CALL_##name);                \
                                                             \
        return error == 0 ? __real_##name arguments : error; \
    }
CALLS_NUMBER

long __real_syscall(long a, long b, long c, long d, long e, long f, long g);
long __wrap_syscall(long a, long b, long c, long d, long e, long f, long g);
long __wrap_syscall(long a, long b, long c, long d, long e, long f, long g)
{
    int error = 0;

    if (a != SYS_futex)
        error = failing_now(CALL_other);
    else if (c == FUTEX_WAIT_BITSET_PRIVATE)
        error = failing_now(CALL_futex);
    if (error == 0)
        return __real_syscall(a, b, c, d, e, f, g);
    errno = error;
    return -1;
}
