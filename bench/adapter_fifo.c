/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIFOs: one for each direction, messages behind a 4-byte length, as in the
 * socket adapter. They are made before anybody runs, so meeting is free of
 * charge here; a crowd and connecting are not offered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "socket.h"

#define READ_AHEAD 65536u
#define COPY_MOST  4092u /* with its header it is written whole */
#define LARGE      16384u
#define LARGE_PIPE (1 << 20)
#define PAIRS_MOST 64u

struct fifo_end {
    int in;
    int out;
    size_t size;
    size_t begin; /* of what was read and is not yet given */
    size_t end;
    unsigned char buffer[];
};

static const char *place(const struct setup *setup, uint32_t index, int back,
                         char *text, size_t size)
{
    snprintf(text, size, "%s/%s-%u.%s", setup->directory, setup->name, index,
             back ? "back" : "there");
    return text;
}

static int fifo_prepare(const struct setup *setup)
{
    uint32_t pairs = setup->clients > 0 ? setup->clients : 1;
    char text[160];

    for (uint32_t i = 0; i < 2 * pairs; i++) {
        if (mkfifo(place(setup, i / 2, i % 2, text, sizeof(text)), 0600) != 0) {
            complain("fifo %s: %s", text, strerror(errno));
            return -1;
        }
    }
    return 0;
}

static int fifo_open(const struct setup *setup, uint32_t index, int back,
                     int flags)
{
    char text[160];
    int fd =
        open(place(setup, index, back, text, sizeof(text)), flags | O_CLOEXEC);

    if (fd < 0)
        complain("fifo %s: %s", text, strerror(errno));
    else if (setup->bytes > LARGE)
        fcntl(fd, F_SETPIPE_SZ, LARGE_PIPE);
    return fd;
}

static void *end_new(const struct setup *setup, int in, int out)
{
    size_t size = SOCKET_HEADER + setup->bytes + READ_AHEAD;
    struct fifo_end *end = malloc(sizeof(*end) + size);

    if (!end || in < 0 || out < 0) {
        free(end);
        return NULL;
    }
    *end = (struct fifo_end){ .in = in, .out = out, .size = size };
    return end;
}

/* Opening waits for the other side, so it happens in accept. */
static void *fifo_listen(const struct setup *setup)
{
    struct setup *kept = malloc(sizeof(*kept));

    if (kept)
        *kept = *setup;
    return kept;
}

static void *fifo_accept(void *listener)
{
    const struct setup *setup = listener;
    int in = fifo_open(setup, 0, 0, O_RDONLY);

    return end_new(setup, in, fifo_open(setup, 0, 1, O_WRONLY));
}

static void fifo_unlisten(void *listener)
{
    free(listener);
}

static void *fifo_connect(const struct setup *setup)
{
    int out = fifo_open(setup, setup->index, 0, O_WRONLY);

    return end_new(setup, fifo_open(setup, setup->index, 1, O_RDONLY), out);
}

static int fifo_send(void *handle, const void *data, size_t size)
{
    struct fifo_end *end = handle;
    unsigned char message[SOCKET_HEADER + COPY_MOST];
    uint32_t length = (uint32_t)size;
    struct iovec parts[2] = { { &length, SOCKET_HEADER },
                              { (void *)(uintptr_t)data, size } };
    ssize_t n;
    int r;

    memcpy(message, &length, SOCKET_HEADER);
    if (size <= COPY_MOST) {
        memcpy(message + SOCKET_HEADER, data, size);
        r = socket_write(end->out, message, SOCKET_HEADER + size);
    } else {
        n = writev(end->out, parts, 2);
        r = n < (ssize_t)SOCKET_HEADER
                ? -1
                : socket_write(end->out,
                               (const unsigned char *)data + n - SOCKET_HEADER,
                               SOCKET_HEADER + size - (size_t)n);
    }
    if (r < 0)
        complain("fifo write: %s", strerror(errno));
    return r;
}

/* Get at least `want` bytes in one piece. 1, 0 at the end, -1 on trouble. */
static int fifo_fill(struct fifo_end *end, size_t want)
{
    size_t have = end->end - end->begin;

    if (have == 0 || end->begin + want > end->size) {
        memmove(end->buffer, end->buffer + end->begin, have);
        end->begin = 0;
        end->end = have;
    }
    while (end->end - end->begin < want) {
        ssize_t n = read(end->in, end->buffer + end->end, end->size - end->end);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        end->end += (size_t)n;
    }
    return 1;
}

static int64_t fifo_receive(void *handle, const void **ret_data)
{
    struct fifo_end *end = handle;
    uint32_t length = 0;
    int r = fifo_fill(end, SOCKET_HEADER);

    if (r == 0)
        return -1;
    memcpy(&length, end->buffer + end->begin, SOCKET_HEADER);
    if (r > 0 && length <= end->size - SOCKET_HEADER)
        r = fifo_fill(end, SOCKET_HEADER + length);
    if (r <= 0 || length > end->size - SOCKET_HEADER) {
        complain("fifo read: %s", r < 0 ? strerror(errno) : "bad message");
        return -2;
    }
    *ret_data = end->buffer + end->begin + SOCKET_HEADER;
    end->begin += SOCKET_HEADER + length;
    return length;
}

static void fifo_close(void *handle)
{
    struct fifo_end *end = handle;

    close(end->in);
    close(end->out);
    free(end);
}

static const char *fifo_transport(void *handle)
{
    (void)handle;
    return "pipe";
}

/*
 * The server's ends do not wait for clients: it reads without blocking, and
 * opens the way back for reading too, as nobody reads there yet.
 */
static int fifo_serve(const struct setup *setup, struct crowd *crowd)
{
    int pairs[PAIRS_MOST][2];

    if (setup->clients > PAIRS_MOST)
        return -1;
    for (uint32_t i = 0; i < setup->clients; i++) {
        pairs[i][0] = fifo_open(setup, i, 0, O_RDONLY | O_NONBLOCK);
        pairs[i][1] = fifo_open(setup, i, 1, O_RDWR | O_NONBLOCK);
        if (pairs[i][0] < 0 || pairs[i][1] < 0)
            return -1;
    }
    return pairs_serve_epoll(setup, crowd, (const int(*)[2])pairs,
                             setup->clients);
}

const struct peer peer_fifo = {
    .name = "fifo",
    .prepare = fifo_prepare,
    .listen = fifo_listen,
    .accept = fifo_accept,
    .unlisten = fifo_unlisten,
    .connect = fifo_connect,
    .send = fifo_send,
    .receive = fifo_receive,
    .close = fifo_close,
    .transport = fifo_transport,
    .serve = fifo_serve,
};
