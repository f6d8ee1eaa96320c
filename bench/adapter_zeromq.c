/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ZeroMQ over ipc: PAIR between two ends, DEALER to ROUTER for the clients of
 * one server, SUB to XPUB for a broadcast (XPUB tells of each subscription).
 * Its I/O thread batches what it finds queued.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapter.h"
#include "measure.h"

/* Bytes that may be queued on each side, as far as messages go into them. */
#define QUEUE_BYTES   (16u << 20)
#define QUEUE_MOST    1000u /* its default, in messages */
#define SOCKETS_MOST  20000
#define BACKLOG       4096
#define MONITOR_PLACE "inproc://monitor"

struct zeromq_end {
    void *socket;
    zmq_msg_t message;
    int has_message;
};

/* One for the process, as its makers want it; it ends with the process. */
static void *context(void)
{
    static void *one;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&lock);
    if (!one) {
        one = zmq_ctx_new();
        zmq_ctx_set(one, ZMQ_MAX_SOCKETS, SOCKETS_MOST);
    }
    pthread_mutex_unlock(&lock);
    return one;
}

static void *trouble(const char *what)
{
    complain("zeromq %s: %s", what, zmq_strerror(zmq_errno()));
    return NULL;
}

static const char *place(const struct setup *setup, char *text, size_t size)
{
    snprintf(text, size, "ipc://%s/%s.zmq", setup->directory, setup->name);
    return text;
}

static void number_set(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof(value));
}

static struct zeromq_end *end_new(const struct setup *setup, int type)
{
    struct zeromq_end *end = calloc(1, sizeof(*end));
    size_t most = QUEUE_BYTES / setup->bytes;

    if (!end)
        return NULL;
    end->socket = zmq_socket(context(), type);
    if (!end->socket) {
        free(end);
        return trouble("socket");
    }
    most = most < 4 ? 4 : most > QUEUE_MOST ? QUEUE_MOST : most;
    number_set(end->socket, ZMQ_LINGER, 0);
    number_set(end->socket, ZMQ_SNDHWM, (int)most);
    number_set(end->socket, ZMQ_RCVHWM, (int)most);
    number_set(end->socket, ZMQ_BACKLOG, BACKLOG);
    return end;
}

static void zeromq_close(void *handle)
{
    struct zeromq_end *end = handle;

    if (end->has_message)
        zmq_msg_close(&end->message);
    zmq_close(end->socket);
    free(end);
}

static struct zeromq_end *end_bind(const struct setup *setup, int type)
{
    struct zeromq_end *end = end_new(setup, type);
    char text[128];

    if (!end || zmq_bind(end->socket, place(setup, text, sizeof(text))) == 0)
        return end;
    zeromq_close(end);
    return trouble("bind");
}

static void *zeromq_listen(const struct setup *setup)
{
    return end_bind(setup, ZMQ_PAIR);
}

/* The socket that is bound is the end as well. */
static void *zeromq_accept(void *listener)
{
    return listener;
}

static void zeromq_unlisten(void *listener)
{
    (void)listener;
}

static void *zeromq_connect(const struct setup *setup)
{
    static const int types[] = { ZMQ_PAIR, ZMQ_DEALER, ZMQ_SUB };
    struct zeromq_end *end = end_new(setup, types[setup->purpose]);
    char text[128];

    if (!end)
        return NULL;
    if (setup->purpose == PURPOSE_BROADCAST)
        zmq_setsockopt(end->socket, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(end->socket, place(setup, text, sizeof(text))) == 0)
        return end;
    zeromq_close(end);
    return trouble("connect");
}

static int zeromq_send(void *handle, const void *data, size_t size)
{
    struct zeromq_end *end = handle;

    if (zmq_send(end->socket, data, size, 0) == (int)size)
        return 0;
    trouble("send");
    return -1;
}

/* An empty message is the end: there is no other. */
static int zeromq_goodbye(void *handle)
{
    return zeromq_send(handle, "", 0);
}

static int64_t zeromq_receive(void *handle, const void **ret_data)
{
    struct zeromq_end *end = handle;
    int n;

    if (end->has_message)
        zmq_msg_close(&end->message);
    end->has_message = 1;
    zmq_msg_init(&end->message);
    n = zmq_msg_recv(&end->message, end->socket, 0);
    if (n < 0) {
        trouble("receive");
        return -2;
    }
    *ret_data = zmq_msg_data(&end->message);
    return n > 0 ? n : -1;
}

/* ---- the echo server ---------------------------------------------------- */

/* Counts those that come and go, in a thread of its own. */
static void *monitor_thread(void *user)
{
    struct crowd *crowd = user;
    void *socket = zmq_socket(context(), ZMQ_PAIR);
    zmq_msg_t message;
    uint16_t event;

    zmq_connect(socket, MONITOR_PLACE);
    for (;;) {
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, socket, 0) < 0)
            return NULL;
        if (zmq_msg_more(&message)) { /* the other part is the address */
            memcpy(&event, zmq_msg_data(&message), sizeof(event));
            if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
                gate_count(&crowd->joined, 1, crowd->expected);
        }
        zmq_msg_close(&message);
    }
}

static int monitor_begin(struct zeromq_end *end, struct crowd *crowd)
{
    pthread_t thread;

    if (crowd->expected == CROWD_ENDLESS)
        return 0;
    if (zmq_socket_monitor(end->socket, MONITOR_PLACE,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0)
        return -1;
    return pthread_create(&thread, NULL, monitor_thread, crowd) ? -1 : 0;
}

/* From whom, and what: both go back. */
static int echo_once(struct zeromq_end *end)
{
    zmq_msg_t from, message;

    zmq_msg_init(&from);
    zmq_msg_init(&message);
    if (zmq_msg_recv(&from, end->socket, 0) < 0 ||
        zmq_msg_recv(&message, end->socket, 0) < 0)
        return -1;
    touch(zmq_msg_data(&message), zmq_msg_size(&message));
    if (zmq_msg_send(&from, end->socket, ZMQ_SNDMORE) < 0 ||
        zmq_msg_send(&message, end->socket, 0) < 0)
        return -1;
    return 0;
}

/* It does not end by itself: the driver ends it. */
static int zeromq_serve(const struct setup *setup, struct crowd *crowd)
{
    struct zeromq_end *end = end_new(setup, ZMQ_ROUTER);
    char text[128];

    if (!end)
        return -1;
    if (monitor_begin(end, crowd) < 0 ||
        zmq_bind(end->socket, place(setup, text, sizeof(text))) != 0) {
        trouble("serve");
        return -1;
    }
    gate_add(&crowd->ready, 1);
    while (echo_once(end) == 0)
        ;
    trouble("echo");
    return -1;
}

/* ---- broadcast ---------------------------------------------------------- */

static void *zeromq_announce(const struct setup *setup, struct crowd *crowd)
{
    struct zeromq_end *end = end_bind(setup, ZMQ_XPUB);
    const void *data;

    if (!end)
        return NULL;
    number_set(end->socket, ZMQ_XPUB_VERBOSE, 1); /* each one, not the first */
    gate_add(&crowd->ready, 1);
    for (uint32_t i = 0; i < crowd->expected; i++)
        if (zeromq_receive(end, &data) < 0)
            return NULL;
    return end;
}

const struct peer peer_zeromq = {
    .name = "zeromq",
    .listen = zeromq_listen,
    .accept = zeromq_accept,
    .unlisten = zeromq_unlisten,
    .connect = zeromq_connect,
    .send = zeromq_send,
    .receive = zeromq_receive,
    .close = zeromq_close,
    .goodbye = zeromq_goodbye,
    .serve = zeromq_serve,
    .announce = zeromq_announce,
    .publish = zeromq_send,
    .hush = zeromq_close,
};
