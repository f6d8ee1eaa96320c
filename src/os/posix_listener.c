/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that somebody else made: a service manager, or the parent
 * of this process. They stay his, with their file; we work with a copy of the
 * descriptor. Called by src/door and src/connect.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/posix.h"

/* The value of an option of the socket, or -1. */
static int option_of(int fd, int name)
{
    int value = 0;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

int wpipe__os_is_listener(wpipe__handle handle)
{
    return option_of(handle, SO_DOMAIN) == AF_UNIX &&
           option_of(handle, SO_TYPE) == SOCK_STREAM &&
           option_of(handle, SO_ACCEPTCONN) == 1;
}

int wpipe__os_listener_copy(wpipe__handle handle, wpipe__handle *ret_listener)
{
    int flags = fcntl(handle, F_GETFL);
    int fd;

    if (flags < 0 || fcntl(handle, F_SETFL, flags | O_NONBLOCK) < 0)
        return wpipe__os_fail("fcntl", errno);
    fd = fcntl(handle, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0)
        return wpipe__os_fail("fcntl", errno);
    (void)wpipe__os_set_passing(fd, 0);
    *ret_listener = fd;
    return 0;
}

void wpipe__os_listener_path(wpipe__handle handle, char *buf, size_t size)
{
    struct sockaddr_un address;
    socklen_t length = sizeof(address);
    size_t used;

    if (size > 0)
        buf[0] = '\0';
    memset(&address, 0, sizeof(address));
    if (getsockname(handle, (struct sockaddr *)&address, &length) < 0 ||
        address.sun_family != AF_UNIX)
        return;
    used = strnlen(address.sun_path, sizeof(address.sun_path));
    if (used >= size)
        return;
    memcpy(buf, address.sun_path, used);
    buf[used] = '\0';
}
