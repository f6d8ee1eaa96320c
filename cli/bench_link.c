/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of `windpipe bench` and the process at their other end. It is
 * forked before any pipe is open, as a child may not use its parent's.
 */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ending.h"

enum {
    ROOM = 1 << 20,
    HEADER = 4,
    COPY_MOST = 1024 /* up to here a copy and one write are cheaper */
};

static int send_plain(int fd, const void *data, size_t size)
{
    char small[HEADER + COPY_MOST];
    uint32_t length = (uint32_t)size;
    struct iovec parts[2] = { { &length, HEADER },
                              { (void *)(uintptr_t)data, size } };
    struct iovec *first = parts;
    int count = 2;
    ssize_t put;

    if (size <= COPY_MOST) {
        memcpy(small, &length, HEADER);
        memcpy(small + HEADER, data, size);
        parts[0] = (struct iovec){ small, HEADER + size };
        count = 1;
    }
    while (count > 0) {
        put = writev(fd, first, count);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return WPIPE_EPIPE;
        while (count > 0 && (size_t)put >= first->iov_len) {
            put -= (ssize_t)first->iov_len;
            first++;
            count--;
        }
        if (count > 0) {
            first->iov_base = (char *)first->iov_base + put;
            first->iov_len -= (size_t)put;
        }
    }
    return 0;
}

static int read_exactly(int fd, void *buf, size_t size)
{
    char *p = buf;
    ssize_t got;

    while (size > 0) {
        got = read(fd, p, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? WPIPE_EOF : WPIPE_ESYSTEM;
        p += got;
        size -= (size_t)got;
    }
    return 0;
}

/* See that a length is there; what comes with it comes, too. */
static int fill_plain(struct bench_link *link)
{
    ssize_t got;

    if (link->begin == link->end || link->begin > BENCH_AHEAD) {
        memmove(link->ahead, link->ahead + link->begin,
                link->end - link->begin);
        link->end -= link->begin;
        link->begin = 0;
    }
    while (link->end - link->begin < HEADER) {
        got = read(link->fd, link->ahead + link->end,
                   sizeof(link->ahead) - link->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? WPIPE_EOF : WPIPE_ESYSTEM;
        link->end += (size_t)got;
    }
    return 0;
}

static int take_plain(struct bench_link *link, char *buf, size_t room)
{
    uint32_t length;
    size_t have;
    int r = fill_plain(link);

    if (r < 0)
        return r;
    memcpy(&length, link->ahead + link->begin, HEADER);
    if (length > room)
        return WPIPE_EMSGSIZE;
    link->begin += HEADER;
    have = link->end - link->begin;
    have = have < length ? have : length;
    memcpy(buf, link->ahead + link->begin, have);
    link->begin += have;
    return read_exactly(link->fd, buf + have, length - have);
}

int bench_send(struct bench_link *links, int which, const void *data,
               size_t size)
{
    int64_t r;

    if (which == LINK_UNIX)
        return send_plain(links[which].fd, data, size);
    r = wpipe_write(links[which].stream, data, size, BENCH_TIMEOUT_MS);
    return r < 0 ? (int)r : 0;
}

int bench_take(struct bench_link *links, int which, void *buf, size_t room)
{
    int64_t r;

    if (which == LINK_UNIX)
        return take_plain(&links[which], buf, room);
    r = wpipe_read(links[which].stream, buf, room, BENCH_TIMEOUT_MS);
    return r < 0 ? (int)r : 0;
}

static int obey(struct bench_link *links, const struct bench_order *order,
                void *buf)
{
    const int which = (int)order->link;
    int r = 0;

    for (uint64_t i = 0; i < order->count && r >= 0; i++) {
        r = bench_take(links, which, buf, ROOM);
        if (r >= 0 && order->echo)
            r = bench_send(links, which, buf, (size_t)order->size);
    }
    if (r >= 0 && !order->echo)
        r = bench_send(links, which, buf, 1);
    return r;
}

static void link_options(wpipe_options *ret, const struct options *options)
{
    options_fill(ret, options);
    ret->type = WPIPE_MESSAGE;
}

/* The other process: make a pipe, tell its name, carry out orders. */
static int peer_main(int control, int fd, const struct options *options)
{
    struct bench_link links[LINKS] = { [LINK_UNIX] = { .fd = fd } };
    wpipe_listener *listener = NULL;
    struct bench_order order;
    wpipe_options wishes;
    void *buf = malloc(ROOM);
    char name[WPIPE_NAME_MAX + 1] = "";
    int r = buf == NULL ? WPIPE_ENOMEM : 0;

    link_options(&wishes, options);
    if (r >= 0)
        r = wpipe_listen(&listener, NULL, &wishes);
    if (r >= 0)
        snprintf(name, sizeof(name), "%s", wpipe_listener_name(listener));
    else
        say_error(options, "the other end", r);
    if (write(control, name, sizeof(name)) != (ssize_t)sizeof(name))
        r = WPIPE_EPIPE;
    if (r >= 0)
        r = wpipe_accept(listener, &links[LINK_WINDPIPE].stream,
                         BENCH_TIMEOUT_MS);
    wpipe_listener_close(listener);
    while (r >= 0 && read_exactly(control, &order, sizeof(order)) == 0)
        r = obey(links, &order, buf);
    wpipe_stream_close(links[LINK_WINDPIPE].stream);
    free(buf);
    return r < 0;
}

static void become_peer(const int control[2], const int plain[2],
                        const struct options *options)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, ending_original_mask(), NULL);
    close(control[0]);
    close(plain[0]);
    _exit(peer_main(control[1], plain[1], options));
}

static int greet(struct bench_peer *peer, const struct options *options)
{
    const struct timeval timeout = { .tv_sec = BENCH_TIMEOUT_MS / 1000 };
    char name[WPIPE_NAME_MAX + 1];
    wpipe_options wishes;
    int r;

    setsockopt(peer->control, SOL_SOCKET, SO_RCVTIMEO, &timeout,
               sizeof(timeout));
    setsockopt(peer->links[LINK_UNIX].fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
               sizeof(timeout));
    r = read_exactly(peer->control, name, sizeof(name));
    if (r < 0)
        return r;
    if (name[0] == '\0')
        return WPIPE_ENOTFOUND; /* it has said why */
    link_options(&wishes, options);
    return wpipe_connect(&peer->links[LINK_WINDPIPE].stream, name, &wishes,
                         BENCH_TIMEOUT_MS);
}

int bench_peer_start(struct bench_peer *ret, const struct options *options)
{
    int control[2], plain[2], r;

    *ret = (struct bench_peer){ .control = -1,
                                .links = { [LINK_UNIX] = { .fd = -1 } } };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
        return WPIPE_ELIMIT;
    r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plain);
    if (r < 0) {
        close(control[0]);
        close(control[1]);
        return WPIPE_ELIMIT;
    }
    fflush(NULL);
    ret->pid = fork();
    if (ret->pid == 0)
        become_peer(control, plain, options);
    close(control[1]);
    close(plain[1]);
    ret->control = control[0];
    ret->links[LINK_UNIX].fd = plain[0];
    r = ret->pid < 0 ? WPIPE_ESYSTEM : greet(ret, options);
    if (r < 0)
        bench_peer_end(ret);
    return r;
}

int bench_peer_order(const struct bench_peer *peer,
                     const struct bench_order *order)
{
    return write(peer->control, order, sizeof(*order)) ==
                   (ssize_t)sizeof(*order)
               ? 0
               : WPIPE_EDIED;
}

void bench_peer_end(struct bench_peer *peer)
{
    if (peer->control >= 0)
        close(peer->control);
    if (peer->links[LINK_UNIX].fd >= 0)
        close(peer->links[LINK_UNIX].fd);
    wpipe_stream_close(peer->links[LINK_WINDPIPE].stream);
    if (peer->pid > 0)
        while (waitpid(peer->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    *peer = (struct bench_peer){ .control = -1,
                                 .links = { [LINK_UNIX] = { .fd = -1 } } };
}
