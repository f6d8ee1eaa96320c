/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers over AF_UNIX: see socket.h. The epoll loop takes all that a client
 * has sent with one read into one shared buffer and answers it with one
 * write, so it is no straw man when clients send many at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"
#include "socket.h"

#define EVENTS_AT_ONCE 256
#define READ_AHEAD     262144u
#define THREAD_STACK   65536u

/* One client, with the beginning of a message that has not come whole. */
struct guest {
    int fd;
    int out; /* where answers go: the same, but for FIFOs */
    size_t have;
    unsigned char *rest;
};

struct host {
    int door;
    int epoll;
    size_t size;
    uint32_t work_us;
    struct crowd *crowd;
    unsigned char *buffer; /* of all guests: nobody keeps one while idle */
    /* Read and answer. 0, or -1 when the guest is gone. */
    int (*answer)(struct host *host, struct guest *guest);
};

/* ---- epoll -------------------------------------------------------------- */

static void guest_gone(struct host *host, struct guest *guest)
{
    if (guest->out != guest->fd)
        close(guest->out);
    close(guest->fd);
    free(guest->rest);
    free(guest);
    gate_count(&host->crowd->left, 1, host->crowd->expected);
}

static int guest_enter(struct host *host, int fd, int out)
{
    struct epoll_event event = { .events = EPOLLIN };
    struct guest *guest = calloc(1, sizeof(*guest));

    if (!guest)
        return -1;
    guest->fd = fd;
    guest->out = out;
    event.data.ptr = guest;
    if (epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return -1;
    gate_count(&host->crowd->joined, 1, host->crowd->expected);
    return 0;
}

static int guests_enter(struct host *host)
{
    int fd;

    while ((fd = accept4(host->door, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        if (guest_enter(host, fd, fd) < 0)
            return -1;
    return errno == EAGAIN ? 0 : -1;
}

/* How many of `size` bytes are whole messages; looks at and works on each. */
static size_t whole_messages(const unsigned char *data, size_t size,
                             uint32_t work_us)
{
    size_t at = 0;
    uint32_t length;

    while (size - at >= SOCKET_HEADER) {
        memcpy(&length, data + at, SOCKET_HEADER);
        if (size - at - SOCKET_HEADER < length)
            break;
        touch(data + at + SOCKET_HEADER, length);
        work(work_us);
        at += SOCKET_HEADER + length;
    }
    return at;
}

static int guest_keep(struct guest *guest, const unsigned char *data,
                      size_t size)
{
    unsigned char *rest = NULL;

    if (size > 0) {
        rest = malloc(size);
        if (!rest)
            return -1;
        memcpy(rest, data, size);
    }
    free(guest->rest);
    guest->rest = rest;
    guest->have = size;
    return 0;
}

static int stream_answer(struct host *host, struct guest *guest)
{
    size_t whole;
    ssize_t n;

    if (guest->have > 0)
        memcpy(host->buffer, guest->rest, guest->have);
    n = read(guest->fd, host->buffer + guest->have, READ_AHEAD);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    n += (ssize_t)guest->have;
    whole = whole_messages(host->buffer, (size_t)n, host->work_us);
    if ((size_t)n - whole > SOCKET_HEADER + host->size)
        return -1;
    if (socket_write(guest->out, host->buffer, whole) < 0)
        return -1;
    if ((size_t)n == whole && guest->have == 0)
        return 0;
    return guest_keep(guest, host->buffer + whole, (size_t)n - whole);
}

static int packet_answer(struct host *host, struct guest *guest)
{
    ssize_t n;

    /* One at a time keeps it fair; the next comes with the next event. */
    n = recv(guest->fd, host->buffer, READ_AHEAD, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    touch(host->buffer, (size_t)n);
    return socket_write(guest->out, host->buffer, (size_t)n);
}

static int host_run(struct host *host)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    while (atomic_load(&host->crowd->left.value) < host->crowd->expected) {
        int count = epoll_wait(host->epoll, events, EVENTS_AT_ONCE, -1);

        if (count < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < count; i++) {
            struct guest *guest = events[i].data.ptr;

            if (guest && host->answer(host, guest) < 0)
                guest_gone(host, guest);
            if (!guest && guests_enter(host) < 0)
                return -1;
        }
    }
    return 0;
}

static int host_open(struct host *host, const struct setup *setup)
{
    host->size = setup->bytes;
    host->work_us = setup->work_us;
    host->buffer = malloc(READ_AHEAD + SOCKET_HEADER + setup->bytes);
    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    return host->buffer && host->epoll >= 0 ? 0 : -1;
}

static int host_close(struct host *host, int r)
{
    if (r < 0)
        complain("server: %s", strerror(errno));
    if (host->door >= 0)
        close(host->door);
    if (host->epoll >= 0)
        close(host->epoll);
    free(host->buffer);
    return r;
}

static int serve_epoll(struct host *host, const struct setup *setup, int type)
{
    struct epoll_event event = { .events = EPOLLIN };
    int r = host_open(host, setup);

    host->door = socket_listen(setup, type | SOCK_NONBLOCK);
    if (r < 0 || host->door < 0 ||
        epoll_ctl(host->epoll, EPOLL_CTL_ADD, host->door, &event) != 0)
        return host_close(host, -1);
    gate_add(&host->crowd->ready, 1);
    return host_close(host, host_run(host));
}

int pairs_serve_epoll(const struct setup *setup, struct crowd *crowd,
                      const int (*pairs)[2], uint32_t count)
{
    struct host host = { .crowd = crowd, .answer = stream_answer, .door = -1 };
    int r = host_open(&host, setup);

    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = guest_enter(&host, pairs[i][0], pairs[i][1]);
    if (r == 0) {
        gate_add(&crowd->ready, 1);
        r = host_run(&host);
    }
    return host_close(&host, r);
}

int socket_serve_epoll(const struct setup *setup, struct crowd *crowd)
{
    struct host host = { .crowd = crowd, .answer = stream_answer };

    return serve_epoll(&host, setup, SOCK_STREAM);
}

int packet_serve_epoll(const struct setup *setup, struct crowd *crowd)
{
    struct host host = { .crowd = crowd, .answer = packet_answer };

    return serve_epoll(&host, setup, SOCK_SEQPACKET);
}

/* ---- a thread for each client ------------------------------------------- */

struct visit {
    int fd;
    size_t size;
    uint32_t work_us;
    struct crowd *crowd;
};

/* Echo until the client leaves; small buffer, as threads have small stacks. */
static void visit_echo(const struct visit *visit, unsigned char *buffer)
{
    size_t have = 0, room = SOCKET_HEADER + 2 * visit->size, whole;
    ssize_t n;

    while ((n = read(visit->fd, buffer + have, room - have)) > 0) {
        have += (size_t)n;
        whole = whole_messages(buffer, have, visit->work_us);
        if (socket_write(visit->fd, buffer, whole) < 0)
            return;
        have -= whole;
        memmove(buffer, buffer + whole, have);
    }
}

static void *visit_thread(void *user)
{
    struct visit *visit = user;
    unsigned char *buffer = malloc(SOCKET_HEADER + 2 * visit->size);

    gate_count(&visit->crowd->joined, 1, visit->crowd->expected);
    if (buffer)
        visit_echo(visit, buffer);
    close(visit->fd);
    gate_count(&visit->crowd->left, 1, visit->crowd->expected);
    free(buffer);
    free(visit);
    return NULL;
}

static int visit_begin(int fd, const struct setup *setup, struct crowd *crowd,
                       const pthread_attr_t *attributes)
{
    struct visit *visit = calloc(1, sizeof(*visit));
    pthread_t thread;

    if (!visit)
        return -1;
    *visit = (struct visit){ fd, setup->bytes, setup->work_us, crowd };
    /* Room for a few messages at a time, also when they are small. */
    if (visit->size < 2048)
        visit->size = 2048;
    errno = pthread_create(&thread, attributes, visit_thread, visit);
    if (errno == 0)
        return 0;
    complain("thread: %s", strerror(errno));
    free(visit);
    return -1;
}

int socket_serve_threads(const struct setup *setup, struct crowd *crowd)
{
    int door = socket_listen(setup, SOCK_STREAM), r = door < 0 ? -1 : 0;
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    if (r == 0)
        gate_add(&crowd->ready, 1);
    for (uint32_t i = 0; r == 0 && i < crowd->expected; i++) {
        int fd = socket_take(door);

        r = fd < 0 ? -1 : visit_begin(fd, setup, crowd, &attributes);
    }
    if (r == 0)
        r = gate_wait(&crowd->left, crowd->expected, 100);
    pthread_attr_destroy(&attributes);
    if (door >= 0)
        close(door);
    return r;
}

/* ---- broadcast ---------------------------------------------------------- */

struct announcer {
    uint32_t count;
    unsigned char *message;
    int fds[];
};

static struct announcer *announcer_new(const struct setup *setup, uint32_t most)
{
    struct announcer *announcer =
        calloc(1, sizeof(*announcer) + most * sizeof(int));

    if (announcer)
        announcer->message = malloc(SOCKET_HEADER + setup->bytes);
    if (announcer && announcer->message)
        return announcer;
    free(announcer);
    return NULL;
}

static void *announce(const struct setup *setup, struct crowd *crowd, int type)
{
    struct announcer *announcer = announcer_new(setup, crowd->expected);
    int door = socket_listen(setup, type);

    if (announcer && door >= 0)
        gate_add(&crowd->ready, 1);
    while (announcer && announcer->count < crowd->expected) {
        int fd = door >= 0 ? socket_take(door) : -1;

        if (fd < 0) {
            socket_hush(announcer);
            announcer = NULL;
        } else {
            announcer->fds[announcer->count++] = fd;
        }
    }
    if (door >= 0)
        close(door);
    return announcer;
}

void *socket_announce(const struct setup *setup, struct crowd *crowd)
{
    return announce(setup, crowd, SOCK_STREAM);
}

void *packet_announce(const struct setup *setup, struct crowd *crowd)
{
    return announce(setup, crowd, SOCK_SEQPACKET);
}

static int announce_send(struct announcer *announcer, const void *data,
                         size_t size)
{
    for (uint32_t i = 0; i < announcer->count; i++) {
        if (socket_write(announcer->fds[i], data, size) < 0) {
            complain("socket broadcast: %s", strerror(errno));
            return -1;
        }
    }
    return 0;
}

int socket_publish(void *server, const void *data, size_t size)
{
    struct announcer *announcer = server;
    uint32_t length = (uint32_t)size;

    memcpy(announcer->message, &length, SOCKET_HEADER);
    memcpy(announcer->message + SOCKET_HEADER, data, size);
    return announce_send(announcer, announcer->message, SOCKET_HEADER + size);
}

int packet_publish(void *server, const void *data, size_t size)
{
    return announce_send(server, data, size);
}

void socket_hush(void *server)
{
    struct announcer *announcer = server;

    for (uint32_t i = 0; i < announcer->count; i++)
        close(announcer->fds[i]);
    free(announcer->message);
    free(announcer);
}
