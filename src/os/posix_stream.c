/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams that others made or will use: pipes, inherited sockets, and
 * the children that inherit them. For the foreign link and for anonymous
 * pipes.
 */
#include "os/os.h"

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
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/posix.h"

#define PIECES_MAX 18

extern char **environ;

int wpipe__os_kind(wpipe__handle handle)
{
    struct stat st;

    if (fstat(handle, &st) < 0)
        return WPIPE_EINVAL;
    if (S_ISSOCK(st.st_mode))
        return WPIPE__KIND_SOCKET;
    return S_ISFIFO(st.st_mode) ? WPIPE__KIND_PIPE : WPIPE__KIND_OTHER;
}

/* ---- pipes --------------------------------------------------------------- */

int wpipe__os_pipe(wpipe__handle ret_ends[2], uint32_t size)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
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

/* ---- reading and writing -------------------------------------------------- */

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
                              size_t size)
{
    wpipe__handle passed = WPIPE__NO_HANDLE;
    int64_t got;
    ssize_t n;

    if (kind == WPIPE__KIND_SOCKET) {
        got = wpipe__os_receive(handle, buf, size, &passed);
        wpipe__os_close(passed); /* nobody asked for it */
        return got;
    }
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
    const struct timespec no_time = {0, 0};
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
        while (sigtimedwait(&pipe_signal, NULL, &no_time) < 0 &&
               errno == EINTR)
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

/* ---- taking over and handing on ------------------------------------------- */

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
    struct pollfd fd = {.fd = handle};

    if (poll(&fd, 1, 0) <= 0)
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

/* ---- children --------------------------------------------------------------- */

/* The child shares our descriptors as they are marked; those it is to have
 * are duplicated onto themselves, which takes close-on-exec off in the child
 * alone. */
static int file_actions(posix_spawn_file_actions_t *actions,
                        const wpipe__handle *handles, int count)
{
    int i;

    if (posix_spawn_file_actions_init(actions) != 0)
        return WPIPE_ENOMEM;
    for (i = 0; i < count; i++)
        if (posix_spawn_file_actions_adddup2(actions, handles[i],
                                             handles[i]) != 0) {
            posix_spawn_file_actions_destroy(actions);
            return WPIPE_ENOMEM;
        }
    return 0;
}

int wpipe__os_spawn(const char *path, char *const *arguments,
                    const wpipe__handle *handles, int count,
                    int64_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int r = file_actions(&actions, handles, count);

    if (r < 0)
        return r;
    r = posix_spawnp(&pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r == ENOENT || r == ENOTDIR) {
        (void)wpipe__os_fail("spawn", r);
        return WPIPE_ENOTFOUND;
    }
    if (r != 0)
        return wpipe__os_fail("spawn", r);
    *ret_pid = pid;
    return 0;
}

int wpipe__os_reap(int64_t pid, uint64_t deadline)
{
    const struct timespec step = {0, 2000000};
    int status = 0;
    pid_t r;

    do {
        int flags = deadline == UINT64_MAX ? 0 : WNOHANG;

        r = waitpid((pid_t)pid, &status, flags);
        if (r == (pid_t)pid)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                       : WEXITSTATUS(status);
        if (r < 0 && errno != EINTR)
            return wpipe__os_fail("waitpid", errno);
        if (r == 0 && wpipe__os_left_ms(deadline) > 0)
            nanosleep(&step, NULL); /* there is no wait with a deadline */
    } while (wpipe__os_left_ms(deadline) != 0);
    return WPIPE_ETIMEDOUT;
}
