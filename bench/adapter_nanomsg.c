/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nanomsg over ipc: PAIR between two ends, REQ to a raw REP for the clients of
 * one server, SUB to PUB for a broadcast. A REQ has one request at a time, so
 * several in flight are not offered; and it has 512 sockets to a process.
 */
#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapter.h"
#include "measure.h"

#define QUEUE_BYTES  (1 << 20)
#define SOCKETS_MOST 450

struct nanomsg_end {
    int socket;
    void *message;
};

static void *trouble(const char *what)
{
    complain("nanomsg %s: %s", what, nn_strerror(nn_errno()));
    return NULL;
}

static const char *place(const struct setup *setup, char *text, size_t size)
{
    snprintf(text, size, "ipc://%s/%s.nn", setup->directory, setup->name);
    return text;
}

static void number_set(int socket, int option, int value)
{
    nn_setsockopt(socket, NN_SOL_SOCKET, option, &value, sizeof(value));
}

static struct nanomsg_end *end_new(int domain, int protocol)
{
    struct nanomsg_end *end = calloc(1, sizeof(*end));

    if (!end)
        return NULL;
    end->socket = nn_socket(domain, protocol);
    if (end->socket < 0) {
        free(end);
        return trouble("socket");
    }
    number_set(end->socket, NN_RCVMAXSIZE, -1);
    number_set(end->socket, NN_SNDBUF, QUEUE_BYTES);
    number_set(end->socket, NN_RCVBUF, QUEUE_BYTES);
    return end;
}

static void end_close(void *handle)
{
    struct nanomsg_end *end = handle;

    if (end->message)
        nn_freemsg(end->message);
    nn_close(end->socket);
    free(end);
}

static struct nanomsg_end *end_bind(const struct setup *setup, int domain,
                                    int protocol)
{
    struct nanomsg_end *end = end_new(domain, protocol);
    char text[128];

    if (!end || nn_bind(end->socket, place(setup, text, sizeof(text))) >= 0)
        return end;
    end_close(end);
    return trouble("bind");
}

static void *pair_listen(const struct setup *setup)
{
    return end_bind(setup, AF_SP, NN_PAIR);
}

/* The socket that is bound is the end as well. */
static void *pair_accept(void *listener)
{
    return listener;
}

static void pair_unlisten(void *listener)
{
    (void)listener;
}

static void *end_connect(const struct setup *setup)
{
    static const int protocols[] = { NN_PAIR, NN_REQ, NN_SUB };
    struct nanomsg_end *end = end_new(AF_SP, protocols[setup->purpose]);
    char text[128];

    if (!end)
        return NULL;
    if (setup->purpose == PURPOSE_BROADCAST)
        nn_setsockopt(end->socket, NN_SUB, NN_SUB_SUBSCRIBE, "", 0);
    if (nn_connect(end->socket, place(setup, text, sizeof(text))) >= 0)
        return end;
    end_close(end);
    return trouble("connect");
}

static int end_send(void *handle, const void *data, size_t size)
{
    struct nanomsg_end *end = handle;
    void *message = nn_allocmsg(size, 0);

    if (message) {
        memcpy(message, data, size);
        if (nn_send(end->socket, &message, NN_MSG, 0) == (int)size)
            return 0;
        nn_freemsg(message);
    }
    trouble("send");
    return -1;
}

/* An empty message is the end: there is no other. */
static int end_goodbye(void *handle)
{
    return end_send(handle, "", 0);
}

static int64_t end_receive(void *handle, const void **ret_data)
{
    struct nanomsg_end *end = handle;
    int n;

    if (end->message)
        nn_freemsg(end->message);
    end->message = NULL;
    n = nn_recv(end->socket, &end->message, NN_MSG, 0);
    if (n < 0) {
        trouble("receive");
        return -2;
    }
    *ret_data = end->message;
    return n > 0 ? n : -1;
}

/* ---- servers ------------------------------------------------------------ */

/* It tells nobody who has come: ask, and sleep a little in between. */
static int everybody_wait(struct nanomsg_end *end, struct crowd *crowd)
{
    const struct timespec moment = { .tv_nsec = 500000 };
    uint64_t limit = clock_now_ns() + 20000000000ull;

    while (nn_get_statistic(end->socket, NN_STAT_CURRENT_CONNECTIONS) <
           crowd->expected) {
        if (clock_now_ns() > limit) {
            complain("nanomsg: not everybody has come");
            return -1;
        }
        nanosleep(&moment, NULL);
    }
    gate_add(&crowd->joined, crowd->expected);
    return 0;
}

static int echo_once(struct nanomsg_end *end)
{
    void *body = NULL, *control = NULL;
    struct nn_iovec part = { &body, NN_MSG };
    struct nn_msghdr header = { .msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = NN_MSG };
    int n = nn_recvmsg(end->socket, &header, 0);

    if (n < 0)
        return -1;
    touch(body, (size_t)n);
    return nn_sendmsg(end->socket, &header, 0) < 0 ? -1 : 0;
}

/* It does not end by itself: the driver ends it. */
static int echo_serve(const struct setup *setup, struct crowd *crowd)
{
    struct nanomsg_end *end = end_bind(setup, AF_SP_RAW, NN_REP);

    if (!end)
        return -1;
    gate_add(&crowd->ready, 1);
    if (crowd->expected != CROWD_ENDLESS && everybody_wait(end, crowd) < 0)
        return -1;
    while (echo_once(end) == 0)
        ;
    trouble("echo");
    return -1;
}

static void *announce(const struct setup *setup, struct crowd *crowd)
{
    struct nanomsg_end *end = end_bind(setup, AF_SP, NN_PUB);

    if (!end)
        return NULL;
    gate_add(&crowd->ready, 1);
    if (everybody_wait(end, crowd) == 0)
        return end;
    end_close(end);
    return NULL;
}

const struct peer peer_nanomsg = {
    .name = "nanomsg",
    .most_window = 1,
    .most_ends = SOCKETS_MOST,
    .most_crowd = 1000,
    .listen = pair_listen,
    .accept = pair_accept,
    .unlisten = pair_unlisten,
    .connect = end_connect,
    .send = end_send,
    .receive = end_receive,
    .close = end_close,
    .goodbye = end_goodbye,
    .serve = echo_serve,
    .announce = announce,
    .publish = end_send,
    .hush = end_close,
};
