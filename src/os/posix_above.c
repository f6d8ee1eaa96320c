/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where descriptors are born, and closed. In a program that runs with
 * descriptor 0, 1 or 2 closed, the system gives that number to what is opened
 * next, and a printf of the program would go to a peer. So each call that makes
 * a descriptor stands inside one of these functions (tools/check-style sees to
 * it), which move it above 2. Those are for src/os, close is for everybody.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "os/posix.h"

/* Never again after EINTR: Linux has closed it, and the number may already be
 * another thread's. Keeps errno, so that it can be called before reporting. */
void wpipe__os_close(wpipe__handle handle)
{
    const int number = errno;

    if (handle >= 0)
        close(handle);
    errno = number;
}

/* A copy above 2, or -1. */
static int copy_above(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (copy < 0 && errno == EINVAL)
        errno = EMFILE; /* the limit is not above 2 either */
    return copy;
}

int wpipe__os_above(int fd)
{
    int copy;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    copy = copy_above(fd);
    wpipe__os_close(fd);
    return copy;
}

int wpipe__os_both_above(int result, int fds[2])
{
    if (result < 0)
        return result;
    fds[0] = wpipe__os_above(fds[0]);
    fds[1] = wpipe__os_above(fds[1]);
    if (fds[0] >= 0 && fds[1] >= 0)
        return result;
    wpipe__os_close(fds[0]);
    wpipe__os_close(fds[1]);
    return -1;
}

int wpipe__os_passed_above(int fd)
{
    int copy;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    copy = copy_above(fd);
    wpipe__os_discard(fd);
    return copy;
}
