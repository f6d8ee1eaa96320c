/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: a plain AF_UNIX stream with messages behind a 4-byte length,
 * as one writes it the straightforward way. Header and payload go out in one
 * writev; the reader reads the length and then the body; a server of many is
 * one epoll loop. Default socket buffers. Beside it the same with a reader
 * that takes all there is with one call and cuts the messages out of that:
 * what somebody in need of speed would make of it.
 */
#include "adapter.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"

#define HEADER_SIZE    4u
#define BACKLOG        4096
#define EVENTS_AT_ONCE 256

/* How much more than one message the buffered reader takes at once. */
#define READ_AHEAD 65536u

struct socket_end {
    int fd;
    size_t size;
    size_t begin; /* of what the buffered reader has and not yet given */
    size_t end;
    unsigned char buffer[];
};

struct socket_door {
    int fd;
    size_t size;
};

/* One client of the epoll server, with the begun message it has sent. */
struct guest {
    int fd;
    size_t have; /* of header and body */
    unsigned char *message;
};

struct host {
    int door;
    int epoll;
    size_t size;
    struct crowd *crowd;
};

static int address_fill(const struct setup *setup, struct sockaddr_un *address)
{
    int n;

    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s.sock",
                 setup->directory, setup->name);
    return n > 0 && (size_t)n < sizeof(address->sun_path) ? 0 : -1;
}

static void *end_new(int fd, size_t size)
{
    struct socket_end *end = malloc(sizeof(*end) + size);

    if (!end) {
        close(fd);
        return NULL;
    }
    *end = (struct socket_end){ .fd = fd, .size = size };
    memset(end->buffer, 0, size); /* no page faults while measuring */
    return end;
}

static int door_open(const struct setup *setup, int flags)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd >= 0 && address_fill(setup, &address) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    complain("socket listen: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void *socket_listen(const struct setup *setup)
{
    struct socket_door *door = calloc(1, sizeof(*door));

    if (!door)
        return NULL;
    door->size = setup->bytes;
    door->fd = door_open(setup, 0);
    if (door->fd < 0) {
        free(door);
        return NULL;
    }
    return door;
}

static void *socket_accept(void *listener)
{
    struct socket_door *door = listener;
    int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        complain("socket accept: %s", strerror(errno));
        return NULL;
    }
    return end_new(fd, door->size);
}

static void socket_unlisten(void *listener)
{
    struct socket_door *door = listener;

    close(door->fd);
    free(door);
}

static void *socket_connect(const struct setup *setup)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || address_fill(setup, &address) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        complain("socket connect: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    return end_new(fd, setup->bytes);
}

static int write_rest(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = { .fd = fd, .events = POLLOUT };

            poll(&room, 1, -1);
            continue;
        }
        if (n <= 0)
            return -1;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int socket_send(void *handle, const void *data, size_t size)
{
    struct socket_end *end = handle;
    uint32_t length = (uint32_t)size;
    struct iovec parts[2] = { { &length, HEADER_SIZE },
                              { (void *)(uintptr_t)data, size } };
    ssize_t n = writev(end->fd, parts, 2);

    if (n == (ssize_t)(HEADER_SIZE + size))
        return 0;
    /* A blocking socket takes the header whole before it blocks. */
    if (n >= (ssize_t)HEADER_SIZE &&
        write_rest(end->fd, (const unsigned char *)data + n - HEADER_SIZE,
                   HEADER_SIZE + size - (size_t)n) == 0)
        return 0;
    complain("socket write: %s", strerror(errno));
    return -1;
}

/* 1 when all was read, 0 at the end of the stream, -1 on trouble. */
static int read_whole(int fd, void *data, size_t size)
{
    unsigned char *to = data;

    while (size > 0) {
        ssize_t n = read(fd, to, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        to += n;
        size -= (size_t)n;
    }
    return 1;
}

static int64_t socket_receive(void *handle, const void **ret_data)
{
    struct socket_end *end = handle;
    uint32_t length;
    int r = read_whole(end->fd, &length, HEADER_SIZE);

    *ret_data = end->buffer;
    if (r == 0 || (r < 0 && errno == ECONNRESET))
        return -1;
    if (r > 0 && length <= end->size)
        r = read_whole(end->fd, end->buffer, length);
    if (r > 0 && length <= end->size)
        return length;
    complain("socket read: %s", r < 0 ? strerror(errno) : "bad message");
    return -2;
}

static void *buffered_listen(const struct setup *setup)
{
    struct setup larger = *setup;

    larger.bytes += HEADER_SIZE + READ_AHEAD;
    return socket_listen(&larger);
}

static void *buffered_connect(const struct setup *setup)
{
    struct setup larger = *setup;

    larger.bytes += HEADER_SIZE + READ_AHEAD;
    return socket_connect(&larger);
}

/* Get at least `want` bytes in one piece. As read_whole. */
static int buffer_fill(struct socket_end *end, size_t want)
{
    size_t have = end->end - end->begin;

    if (have == 0 || end->begin + want > end->size) {
        memmove(end->buffer, end->buffer + end->begin, have);
        end->begin = 0;
        end->end = have;
    }
    while (end->end - end->begin < want) {
        ssize_t n = read(end->fd, end->buffer + end->end, end->size - end->end);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        end->end += (size_t)n;
    }
    return 1;
}

static int64_t buffered_receive(void *handle, const void **ret_data)
{
    struct socket_end *end = handle;
    uint32_t length = 0;
    int r = buffer_fill(end, HEADER_SIZE);

    if (r == 0 || (r < 0 && errno == ECONNRESET))
        return -1;
    memcpy(&length, end->buffer + end->begin, HEADER_SIZE);
    if (r > 0 && length <= end->size - HEADER_SIZE)
        r = buffer_fill(end, HEADER_SIZE + length);
    if (r <= 0 || length > end->size - HEADER_SIZE) {
        complain("socket read: %s", r < 0 ? strerror(errno) : "bad message");
        return -2;
    }
    *ret_data = end->buffer + end->begin + HEADER_SIZE;
    end->begin += HEADER_SIZE + length;
    return length;
}

static void socket_close(void *handle)
{
    struct socket_end *end = handle;

    close(end->fd);
    free(end);
}

static const char *socket_transport(void *handle)
{
    (void)handle;
    return "socket";
}

/* ---- the epoll server --------------------------------------------------- */

static void guest_gone(struct host *host, struct guest *guest)
{
    close(guest->fd);
    free(guest->message);
    free(guest);
    gate_count(&host->crowd->left, 1, host->crowd->expected);
}

static int guests_enter(struct host *host)
{
    int fd;

    while ((fd = accept4(host->door, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = { .events = EPOLLIN };
        struct guest *guest = calloc(1, sizeof(*guest));

        if (!guest)
            return -1;
        guest->fd = fd;
        event.data.ptr = guest;
        if (epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            return -1;
        gate_count(&host->crowd->joined, 1, host->crowd->expected);
    }
    return errno == EAGAIN ? 0 : -1;
}

/* Read what there is of one message. 1 when whole, 0 not yet, -1 gone. */
static int guest_read(struct host *host, struct guest *guest)
{
    uint32_t length = 0;
    size_t want;
    ssize_t n;

    if (!guest->message)
        guest->message = malloc(HEADER_SIZE + host->size);
    if (!guest->message)
        return -1;
    for (;;) {
        if (guest->have >= HEADER_SIZE)
            memcpy(&length, guest->message, HEADER_SIZE);
        if (length > host->size)
            return -1;
        want = HEADER_SIZE + (guest->have >= HEADER_SIZE ? length : 0);
        if (guest->have >= HEADER_SIZE && guest->have == want)
            return 1;
        n = read(guest->fd, guest->message + guest->have, want - guest->have);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        guest->have += (size_t)n;
    }
}

static void guest_serve(struct host *host, struct guest *guest)
{
    int r = guest_read(host, guest);

    if (r > 0) {
        touch(guest->message + HEADER_SIZE, guest->have - HEADER_SIZE);
        r = write_rest(guest->fd, guest->message, guest->have);
        /* An idle guest holds nothing: 10,000 of them are cheap. */
        free(guest->message);
        guest->message = NULL;
        guest->have = 0;
    }
    if (r < 0)
        guest_gone(host, guest);
}

static int host_run(struct host *host)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    while (atomic_load(&host->crowd->left.value) < host->crowd->expected) {
        int count = epoll_wait(host->epoll, events, EVENTS_AT_ONCE, -1);

        if (count < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                guest_serve(host, events[i].data.ptr);
            else if (guests_enter(host) < 0)
                return -1;
        }
    }
    return 0;
}

static int socket_serve(const struct setup *setup, struct crowd *crowd)
{
    struct host host = { .size = setup->bytes, .crowd = crowd };
    struct epoll_event event = { .events = EPOLLIN };
    int r = -1;

    host.door = door_open(setup, SOCK_NONBLOCK);
    host.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (host.door >= 0 && host.epoll >= 0 &&
        epoll_ctl(host.epoll, EPOLL_CTL_ADD, host.door, &event) == 0) {
        gate_add(&crowd->ready, 1);
        r = host_run(&host);
    }
    if (r < 0)
        complain("socket server: %s", strerror(errno));
    close(host.door);
    close(host.epoll);
    return r;
}

const struct peer peer_socket = {
    .name = "socket",
    .listen = socket_listen,
    .accept = socket_accept,
    .unlisten = socket_unlisten,
    .connect = socket_connect,
    .send = socket_send,
    .receive = socket_receive,
    .close = socket_close,
    .transport = socket_transport,
    .serve = socket_serve,
};

const struct peer peer_socket_buffered = {
    .name = "socket-buffered",
    .listen = buffered_listen,
    .accept = socket_accept,
    .unlisten = socket_unlisten,
    .connect = buffered_connect,
    .send = socket_send,
    .receive = buffered_receive,
    .close = socket_close,
    .transport = socket_transport,
};
