/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX packets: the kernel keeps the borders of messages, up to what fits
 * into a socket buffer. With a receiver that blocks in recv, and with one that
 * waits in epoll first, as a program with many connections does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

/* Default socket buffers take 208 KiB, their bookkeeping included. */
#define PACKET_MOST 131072u

struct packet_end {
    int fd;
    int epoll; /* -1: not used */
    size_t size;
    unsigned char buffer[];
};

struct packet_door {
    int fd;
    size_t size;
};

static struct packet_end *end_new(int fd, size_t size)
{
    struct packet_end *end;

    if (fd < 0)
        return NULL;
    end = malloc(sizeof(*end) + size);
    if (!end) {
        close(fd);
        return NULL;
    }
    *end = (struct packet_end){ .fd = fd, .epoll = -1, .size = size };
    return end;
}

static void packet_close(void *handle)
{
    struct packet_end *end = handle;

    if (end->epoll >= 0)
        close(end->epoll);
    close(end->fd);
    free(end);
}

static void *end_watch(struct packet_end *end)
{
    struct epoll_event event = { .events = EPOLLIN };

    if (!end)
        return NULL;
    end->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (end->epoll >= 0 &&
        epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->fd, &event) == 0)
        return end;
    complain("epoll: %s", strerror(errno));
    packet_close(end);
    return NULL;
}

static void *packet_listen(const struct setup *setup)
{
    struct packet_door *door = calloc(1, sizeof(*door));

    if (!door)
        return NULL;
    door->size = setup->bytes;
    door->fd = socket_listen(setup, SOCK_SEQPACKET);
    if (door->fd >= 0)
        return door;
    free(door);
    return NULL;
}

static void *packet_accept(void *listener)
{
    struct packet_door *door = listener;

    return end_new(socket_take(door->fd), door->size);
}

static void *watched_accept(void *listener)
{
    return end_watch(packet_accept(listener));
}

static void packet_unlisten(void *listener)
{
    struct packet_door *door = listener;

    close(door->fd);
    free(door);
}

static void *packet_connect(const struct setup *setup)
{
    return end_new(socket_dial(setup, SOCK_SEQPACKET), setup->bytes);
}

static int packet_send(void *handle, const void *data, size_t size)
{
    struct packet_end *end = handle;

    if (send(end->fd, data, size, 0) == (ssize_t)size)
        return 0;
    complain("packet send: %s", strerror(errno));
    return -1;
}

static int64_t packet_receive(void *handle, const void **ret_data)
{
    struct packet_end *end = handle;
    struct epoll_event event;
    ssize_t n;

    *ret_data = end->buffer;
    if (end->epoll >= 0 && epoll_wait(end->epoll, &event, 1, -1) < 0)
        return -2;
    n = recv(end->fd, end->buffer, end->size, 0);
    /* A packet that came just before the end: some kernels tell the end first
     * to whoever looks in the same moment. */
    if (n == 0)
        n = recv(end->fd, end->buffer, end->size, MSG_DONTWAIT);
    if (n > 0)
        return n;
    if (n == 0 || errno == ECONNRESET)
        return -1;
    complain("packet receive: %s", strerror(errno));
    return -2;
}

const struct peer peer_seqpacket = {
    .name = "seqpacket",
    .most_bytes = PACKET_MOST,
    .abilities = PEER_VISITS | PEER_SEES_LEAVING,
    .listen = packet_listen,
    .accept = packet_accept,
    .unlisten = packet_unlisten,
    .connect = packet_connect,
    .send = packet_send,
    .receive = packet_receive,
    .close = packet_close,
    .serve = packet_serve_epoll,
    .announce = packet_announce,
    .publish = packet_publish,
    .hush = socket_hush,
};

const struct peer peer_seqpacket_epoll = {
    .name = "seqpacket-epoll",
    .most_bytes = PACKET_MOST,
    .listen = packet_listen,
    .accept = watched_accept,
    .unlisten = packet_unlisten,
    .connect = packet_connect,
    .send = packet_send,
    .receive = packet_receive,
    .close = packet_close,
};
