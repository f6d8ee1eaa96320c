/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams that others made or will use: pipes, inherited sockets, and
 * the children that inherit them. For the foreign link and for anonymous
 * pipes.
 */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/posix.h"

#define PIECES_MAX 18

extern char **environ;

/* Connected, or ready to be: neither datagrams nor a listening socket. */
static int is_stream(int fd)
{
    int type = 0;
    int listens = 0;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        type != SOCK_STREAM)
        return 0;
    size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
           !listens;
}

int wpipe__os_kind(wpipe__handle handle)
{
    struct stat st;

    if (fstat(handle, &st) < 0)
        return WPIPE_EINVAL;
    if (S_ISSOCK(st.st_mode) && is_stream(handle))
        return WPIPE__KIND_SOCKET;
    return S_ISFIFO(st.st_mode) ? WPIPE__KIND_PIPE : WPIPE__KIND_OTHER;
}

int wpipe__os_access(wpipe__handle handle)
{
    int flags = fcntl(handle, F_GETFL);

    if (flags < 0)
        return wpipe__os_fail("fcntl", errno);
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return WPIPE__CAN_READ;
    case O_WRONLY:
        return WPIPE__CAN_WRITE;
    default:
        return WPIPE__CAN_READ | WPIPE__CAN_WRITE;
    }
}

/* ---- pipes --------------------------------------------------------------- */

int wpipe__os_pipe(wpipe__handle ret_ends[2], uint32_t size)
{
    int ends[2];

    if (wpipe__os_both_above(pipe2(ends, O_CLOEXEC), ends) < 0)
        return wpipe__os_fail("pipe", errno);
    if (size > 0)
        (void)fcntl(ends[1], F_SETPIPE_SZ, (int)size); /* as near as it gets */
    ret_ends[0] = ends[0];
    ret_ends[1] = ends[1];
    return 0;
}

uint32_t wpipe__os_pipe_size(wpipe__handle end)
{
    int size = fcntl(end, F_GETPIPE_SZ);

    return size < 0 ? 0 : (uint32_t)size;
}

/* ---- reading and writing ------------------------------------------------- */

static int64_t code_of(const char *what)
{
    switch (errno) {
    case EAGAIN:
        return WPIPE_EAGAIN;
    case EPIPE:
    case ECONNRESET:
        (void)wpipe__os_fail(what, errno);
        return WPIPE_EPIPE;
    default:
        return wpipe__os_fail(what, errno);
    }
}

int64_t wpipe__os_stream_read(wpipe__handle handle, int kind, void *buf,
                              size_t size, int *passing)
{
    ssize_t n;

    if (kind == WPIPE__KIND_SOCKET)
        return wpipe__os_receive_plain(handle, buf, size, passing);
    do
        n = read(handle, buf, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return code_of("read");
    return n == 0 ? WPIPE_EOF : n;
}

/* There is no MSG_NOSIGNAL for pipes: hold SIGPIPE back on this thread, and
 * take the one that we caused away again. */
static ssize_t write_without_signal(int fd, const struct iovec *parts,
                                    int count)
{
    const struct timespec no_time = { 0, 0 };
    sigset_t pipe_signal;
    sigset_t before;
    sigset_t pending;
    ssize_t n;
    int number;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    do
        n = writev(fd, parts, count);
    while (n < 0 && errno == EINTR);
    number = errno;
    if (n < 0 && number == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe_signal, NULL, &no_time) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return n;
}

int64_t wpipe__os_stream_write(wpipe__handle handle, int kind,
                               const wpipe_piece *pieces, int count)
{
    struct iovec parts[PIECES_MAX];
    ssize_t n;
    int i;

    if (kind == WPIPE__KIND_SOCKET)
        return wpipe__os_send(handle, pieces, count, WPIPE__NO_HANDLE);
    if (count < 0 || count > PIECES_MAX)
        return WPIPE_EINVAL;
    for (i = 0; i < count; i++) {
        parts[i].iov_base = pieces[i].data;
        parts[i].iov_len = pieces[i].size;
    }
    n = write_without_signal(handle, parts, count);
    return n < 0 ? code_of("write") : n;
}

/* ---- taking over and handing on ------------------------------------------ */

int wpipe__os_adopt(wpipe__handle handle)
{
    int flags = fcntl(handle, F_GETFL);

    if (flags < 0 || fcntl(handle, F_SETFL, flags | O_NONBLOCK) < 0)
        return wpipe__os_fail("fcntl", errno);
    return wpipe__os_inherit(handle, 0);
}

int wpipe__os_inherit(wpipe__handle handle, int on)
{
    if (fcntl(handle, F_SETFD, on ? 0 : FD_CLOEXEC) < 0)
        return wpipe__os_fail("fcntl", errno);
    return 0;
}

int wpipe__os_inherited(wpipe__handle handle)
{
    int flags = fcntl(handle, F_GETFD);

    return flags >= 0 && !(flags & FD_CLOEXEC);
}

void wpipe__os_shutdown_write(wpipe__handle socket)
{
    shutdown(socket, SHUT_WR);
}

void wpipe__os_shutdown_read(wpipe__handle socket)
{
    shutdown(socket, SHUT_RD);
}

int wpipe__os_hung_up(wpipe__handle handle)
{
    struct pollfd fd = { .fd = handle };

    if (wpipe__os_poll(&fd, 1, 0) <= 0)
        return 0;
    if (fd.revents & POLLERR)
        return 2;
    return (fd.revents & POLLHUP) != 0;
}

int wpipe__os_all_read(wpipe__handle handle, int kind)
{
    int queued = 0;
    /* on AF_UNIX it counts until the reader has taken it; FIONREAD does the
     * same for a pipe */
    int r = ioctl(handle, kind == WPIPE__KIND_SOCKET ? SIOCOUTQ : FIONREAD,
                  &queued);

    return r == 0 && queued == 0;
}

/* ---- children ------------------------------------------------------------ */

#if defined(__GLIBC__) && !defined(WPIPE__OS_NO_CLOSEFROM)
#if __GLIBC_PREREQ(2, 34)
#define HAS_CLOSEFROM
#endif
#endif

/* Close everything from `first` on, in the child. */
static int close_from(posix_spawn_file_actions_t *actions, int first)
{
#ifdef HAS_CLOSEFROM
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
#else
    /* What is open here is what the child has; one that is closed in the
     * meantime does no harm. */
    int list = wpipe__os_above(
        open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *directory = list < 0 ? NULL : fdopendir(list);
    const struct dirent *entry;
    int r = 0;

    if (directory == NULL) {
        wpipe__os_close(list);
        return errno;
    }
    while (r == 0 && (entry = readdir(directory)) != NULL) {
        long fd = strtol(entry->d_name, NULL, 10);

        if (fd >= first && fd != dirfd(directory))
            r = posix_spawn_file_actions_addclose(actions, (int)fd);
    }
    closedir(directory);
    return r;
#endif
}

/*
 * Handle i is to be SPAWN_FIRST + i in the child. Those numbers may be taken
 * by other handles of the list, so all go through numbers above them; this
 * also takes close-on-exec off, in the child alone.
 */
static int move_handles(posix_spawn_file_actions_t *actions,
                        const wpipe__handle *handles, int count)
{
    int above = WPIPE__SPAWN_FIRST + count;
    int r = 0;
    int i;

    for (i = 0; i < count; i++)
        if (handles[i] >= above)
            above = handles[i] + 1;
    for (i = 0; i < count && r == 0; i++)
        r = posix_spawn_file_actions_adddup2(actions, handles[i], above + i);
    for (i = 0; i < count && r == 0; i++)
        r = posix_spawn_file_actions_adddup2(actions, above + i,
                                             WPIPE__SPAWN_FIRST + i);
    return r != 0 ? r : close_from(actions, WPIPE__SPAWN_FIRST + count);
}

static int spawn_code(int number)
{
    int r = wpipe__os_fail("spawn", number);

    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return WPIPE_ENOTFOUND;
    case EBADF: /* no number above ours is left */
    case E2BIG: /* the arguments are too long */
    case EAGAIN:
        return WPIPE_ELIMIT;
    default:
        return r;
    }
}

int wpipe__os_spawn(const char *path, char *const *arguments,
                    const wpipe__handle *handles, int count, int64_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int number = posix_spawn_file_actions_init(&actions);

    if (number != 0)
        return spawn_code(number);
    number = move_handles(&actions, handles, count);
    if (number == 0)
        number = posix_spawnp(&pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (number != 0)
        return spawn_code(number);
    *ret_pid = pid;
    return 0;
}

/* Readable when the process has ended; -1 where there is no such thing. */
static int open_process(pid_t pid)
{
#ifdef SYS_pidfd_open
    return wpipe__os_above((int)syscall(SYS_pidfd_open, pid, 0));
#else
    (void)pid;
    return -1;
#endif
}

/* Until it has ended, maybe, or `deadline`. */
static void wait_process(int process, uint64_t deadline)
{
    const struct timespec step = { 0, 2000000 };
    struct pollfd fd = { .fd = process, .events = POLLIN };

    if (process >= 0)
        (void)wpipe__os_poll(&fd, 1, wpipe__os_left_ms(deadline));
    else
        nanosleep(&step, NULL); /* there is no wait with a deadline */
}

/* Its exit status if it has ended; WPIPE_EAGAIN; < 0. */
static int reap_now(pid_t pid)
{
    int status = 0;
    pid_t r;

    do
        r = waitpid(pid, &status, WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return WPIPE_EAGAIN;
    if (r < 0) {
        (void)wpipe__os_fail("waitpid", errno);
        return errno == ECHILD ? WPIPE_EINVAL : WPIPE_ESYSTEM;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int wpipe__os_reap(int64_t pid, uint64_t deadline)
{
    int process;
    int r;

    if (pid <= 0 || pid > INT32_MAX) /* 0 and less are not one process */
        return WPIPE_EINVAL;
    r = reap_now((pid_t)pid);
    if (r != WPIPE_EAGAIN || deadline == 0)
        return r == WPIPE_EAGAIN ? WPIPE_ETIMEDOUT : r;
    process = open_process((pid_t)pid);
    do {
        wait_process(process, deadline);
        r = reap_now((pid_t)pid);
    } while (r == WPIPE_EAGAIN && wpipe__os_left_ms(deadline) != 0);
    wpipe__os_close(process);
    return r == WPIPE_EAGAIN ? WPIPE_ETIMEDOUT : r;
}
