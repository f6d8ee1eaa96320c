/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors, connections and whole writes over AF_UNIX: see socket.h.
 */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static int address_fill(const struct setup *setup, struct sockaddr_un *address)
{
    int n;

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s.sock",
                 setup->directory, setup->name);
    return n > 0 && (size_t)n < sizeof(address->sun_path) ? 0 : -1;
}

int socket_listen(const struct setup *setup, int type)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd >= 0 && address_fill(setup, &address) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    complain("socket listen: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int socket_dial(const struct setup *setup, int type)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd >= 0 && address_fill(setup, &address) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    complain("socket connect: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

int socket_take(int door)
{
    int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        complain("socket accept: %s", strerror(errno));
    return fd;
}

int socket_write(int fd, const void *data, size_t size)
{
    const unsigned char *from = data;

    while (size > 0) {
        ssize_t n = write(fd, from, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = { .fd = fd, .events = POLLOUT };

            poll(&room, 1, -1);
            continue;
        }
        if (n <= 0)
            return -1;
        from += n;
        size -= (size_t)n;
    }
    return 0;
}
