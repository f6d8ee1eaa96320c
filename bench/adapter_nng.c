/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nng over ipc: pair between two ends, req to a raw rep for the clients of one
 * server, sub to pub for a broadcast. A req has one request at a time, so
 * several in flight are not offered.
 */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "measure.h"

#define QUEUE_MESSAGES 128
#define PUBLISH_QUEUE  1024 /* it drops what finds no room */

struct nng_end {
    nng_socket socket;
    nng_msg *message;
};

static void *trouble(const char *what, int r)
{
    complain("nng %s: %s", what, nng_strerror(r));
    return NULL;
}

static const char *place(const struct setup *setup, char *text, size_t size)
{
    snprintf(text, size, "ipc://%s/%s.nng", setup->directory, setup->name);
    return text;
}

static struct nng_end *end_new(int (*open)(nng_socket *), int queue)
{
    struct nng_end *end = calloc(1, sizeof(*end));
    int r;

    if (!end)
        return NULL;
    r = open(&end->socket);
    if (r != 0) {
        free(end);
        return trouble("open", r);
    }
    nng_socket_set_size(end->socket, NNG_OPT_RECVMAXSZ, 0);
    /* Not every kind of socket has both. */
    nng_socket_set_int(end->socket, NNG_OPT_RECVBUF, queue);
    nng_socket_set_int(end->socket, NNG_OPT_SENDBUF, queue);
    return end;
}

static void end_close(void *handle)
{
    struct nng_end *end = handle;

    if (end->message)
        nng_msg_free(end->message);
    nng_close(end->socket);
    free(end);
}

static void *pair_listen(const struct setup *setup)
{
    struct nng_end *end = end_new(nng_pair0_open, QUEUE_MESSAGES);
    char text[128];
    int r;

    if (!end)
        return NULL;
    r = nng_listen(end->socket, place(setup, text, sizeof(text)), NULL, 0);
    if (r == 0)
        return end;
    end_close(end);
    return trouble("listen", r);
}

/* The socket that listens is the end as well. */
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
    static int (*const opens[])(nng_socket *) = {
        nng_pair0_open,
        nng_req0_open,
        nng_sub0_open,
    };
    struct nng_end *end = end_new(
        opens[setup->purpose],
        setup->purpose == PURPOSE_BROADCAST ? PUBLISH_QUEUE : QUEUE_MESSAGES);
    char text[128];
    int r;

    if (!end)
        return NULL;
    if (setup->purpose == PURPOSE_BROADCAST)
        nng_socket_set(end->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    r = nng_dial(end->socket, place(setup, text, sizeof(text)), NULL, 0);
    if (r == 0)
        return end;
    end_close(end);
    return trouble("dial", r);
}

static int end_send(void *handle, const void *data, size_t size)
{
    struct nng_end *end = handle;
    nng_msg *message = NULL;
    int r = nng_msg_alloc(&message, size);

    if (r == 0) {
        memcpy(nng_msg_body(message), data, size);
        r = nng_sendmsg(end->socket, message, 0);
    }
    if (r == 0)
        return 0;
    trouble("send", r);
    return -1;
}

/* An empty message is the end: a closed socket drops what is on its way. */
static int end_goodbye(void *handle)
{
    return end_send(handle, "", 0);
}

static int64_t end_receive(void *handle, const void **ret_data)
{
    struct nng_end *end = handle;
    size_t size;
    int r;

    if (end->message)
        nng_msg_free(end->message);
    end->message = NULL;
    r = nng_recvmsg(end->socket, &end->message, 0);
    if (r != 0) {
        trouble("receive", r);
        return -2;
    }
    size = nng_msg_len(end->message);
    *ret_data = nng_msg_body(end->message);
    return size > 0 ? (int64_t)size : -1;
}

/* ---- servers ------------------------------------------------------------ */

static void joined(nng_pipe pipe, nng_pipe_ev event, void *user)
{
    struct crowd *crowd = user;

    (void)pipe;
    (void)event;
    gate_count(&crowd->joined, 1, crowd->expected);
}

static struct nng_end *server_open(const struct setup *setup,
                                   struct crowd *crowd,
                                   int (*open)(nng_socket *), int queue)
{
    struct nng_end *end = end_new(open, queue);
    char text[128];
    int r;

    if (!end)
        return NULL;
    nng_pipe_notify(end->socket, NNG_PIPE_EV_ADD_POST, joined, crowd);
    r = nng_listen(end->socket, place(setup, text, sizeof(text)), NULL, 0);
    if (r == 0) {
        gate_add(&crowd->ready, 1);
        return end;
    }
    end_close(end);
    return trouble("listen", r);
}

/* It does not end by itself: the driver ends it. */
static int echo_serve(const struct setup *setup, struct crowd *crowd)
{
    struct nng_end *end =
        server_open(setup, crowd, nng_rep0_open_raw, QUEUE_MESSAGES);
    nng_msg *message;
    int r = 0;

    if (!end)
        return -1;
    while (r == 0) {
        r = nng_recvmsg(end->socket, &message, 0);
        if (r != 0)
            break;
        touch(nng_msg_body(message), nng_msg_len(message));
        r = nng_sendmsg(end->socket, message, 0);
    }
    trouble("echo", r);
    return -1;
}

static void *announce(const struct setup *setup, struct crowd *crowd)
{
    struct nng_end *end =
        server_open(setup, crowd, nng_pub0_open, PUBLISH_QUEUE);

    if (!end || gate_wait(&crowd->joined, crowd->expected, 20) == 0)
        return end;
    end_close(end);
    return NULL;
}

const struct peer peer_nng = {
    .name = "nng",
    .most_window = 1,
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
