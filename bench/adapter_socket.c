/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick: an AF_UNIX stream with messages behind a 4-byte length, and
 * default socket buffers. Small messages go out in one write together with
 * their length; the reader takes all there is with one call and cuts the
 * messages out of that. Beside it the straightforward form, which reads the
 * length and then the body; and the yardstick with a server that has a thread
 * for each client instead of one epoll loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "socket.h"

/* How much more than one message the reader takes at once. */
#define READ_AHEAD 65536u

/* A copy in front of one write is cheaper than a gathering write up to here. */
#define COPY_MOST 1024u

struct socket_end {
    int fd;
    size_t size;
    size_t begin; /* of what was read and is not yet given */
    size_t end;
    unsigned char buffer[];
};

struct socket_door {
    int fd;
    size_t size;
};

static void *end_new(int fd, size_t size)
{
    struct socket_end *end;

    if (fd < 0)
        return NULL;
    size += SOCKET_HEADER + READ_AHEAD;
    end = malloc(sizeof(*end) + size);
    if (!end) {
        close(fd);
        return NULL;
    }
    *end = (struct socket_end){ .fd = fd, .size = size };
    return end;
}

static void *door_open(const struct setup *setup)
{
    struct socket_door *door = calloc(1, sizeof(*door));

    if (!door)
        return NULL;
    door->size = setup->bytes;
    door->fd = socket_listen(setup, SOCK_STREAM);
    if (door->fd >= 0)
        return door;
    free(door);
    return NULL;
}

static void *door_accept(void *listener)
{
    struct socket_door *door = listener;

    return end_new(socket_take(door->fd), door->size);
}

static void door_close(void *listener)
{
    struct socket_door *door = listener;

    close(door->fd);
    free(door);
}

static void *end_connect(const struct setup *setup)
{
    return end_new(socket_dial(setup, SOCK_STREAM), setup->bytes);
}

static void end_close(void *handle)
{
    struct socket_end *end = handle;

    close(end->fd);
    free(end);
}

static int end_send_gathered(struct socket_end *end, const void *data,
                             size_t size)
{
    uint32_t length = (uint32_t)size;
    struct iovec parts[2] = { { &length, SOCKET_HEADER },
                              { (void *)(uintptr_t)data, size } };
    ssize_t n = writev(end->fd, parts, 2);

    /* A blocking socket takes the header whole before it blocks. */
    if (n >= (ssize_t)SOCKET_HEADER &&
        socket_write(end->fd, (const unsigned char *)data + n - SOCKET_HEADER,
                     SOCKET_HEADER + size - (size_t)n) == 0)
        return 0;
    complain("socket write: %s", strerror(errno));
    return -1;
}

static int plain_send(void *handle, const void *data, size_t size)
{
    return end_send_gathered(handle, data, size);
}

static int end_send(void *handle, const void *data, size_t size)
{
    struct socket_end *end = handle;
    unsigned char message[SOCKET_HEADER + COPY_MOST];
    uint32_t length = (uint32_t)size;

    if (size > COPY_MOST)
        return end_send_gathered(end, data, size);
    memcpy(message, &length, SOCKET_HEADER);
    memcpy(message + SOCKET_HEADER, data, size);
    if (socket_write(end->fd, message, SOCKET_HEADER + size) == 0)
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

static int64_t plain_receive(void *handle, const void **ret_data)
{
    struct socket_end *end = handle;
    uint32_t length;
    int r = read_whole(end->fd, &length, SOCKET_HEADER);

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

static int64_t end_receive(void *handle, const void **ret_data)
{
    struct socket_end *end = handle;
    uint32_t length = 0;
    int r = buffer_fill(end, SOCKET_HEADER);

    if (r == 0 || (r < 0 && errno == ECONNRESET))
        return -1;
    memcpy(&length, end->buffer + end->begin, SOCKET_HEADER);
    if (r > 0 && length <= end->size - SOCKET_HEADER)
        r = buffer_fill(end, SOCKET_HEADER + length);
    if (r <= 0 || length > end->size - SOCKET_HEADER) {
        complain("socket read: %s", r < 0 ? strerror(errno) : "bad message");
        return -2;
    }
    *ret_data = end->buffer + end->begin + SOCKET_HEADER;
    end->begin += SOCKET_HEADER + length;
    return length;
}

#define STREAM_ENDS                                                     \
    .listen = door_open, .accept = door_accept, .unlisten = door_close, \
    .connect = end_connect, .close = end_close

const struct peer peer_socket = {
    .name = "socket",
    .abilities = PEER_VISITS | PEER_SEES_LEAVING,
    STREAM_ENDS,
    .send = end_send,
    .receive = end_receive,
    .serve = socket_serve_epoll,
    .announce = socket_announce,
    .publish = socket_publish,
    .hush = socket_hush,
};

const struct peer peer_socket_plain = {
    .name = "socket-plain",
    STREAM_ENDS,
    .send = plain_send,
    .receive = plain_receive,
};

/* Between two ends it would be the yardstick once more. */
const struct peer peer_socket_threads = {
    .name = "socket-threads",
    .abilities = PEER_SEES_LEAVING,
    .connect = end_connect,
    .close = end_close,
    .send = end_send,
    .receive = end_receive,
    .serve = socket_serve_threads,
};
