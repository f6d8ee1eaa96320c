/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe's server in its callback form, on one thread and on two: what the
 * second core is worth to a server. Clients are the streams of the others.
 */
#include <stdlib.h>

#include "adapter_windpipe.h"
#include "measure.h"

/* For ever: the driver ends an endless server. */
#define ENDLESS_SECONDS 1e6

struct handler {
    struct crowd *crowd;
    uint32_t work_us;
};

static void on_connected(wpipe_server *server, const wpipe_event *event,
                         void *user)
{
    struct handler *handler = user;

    (void)server;
    (void)event;
    gate_count(&handler->crowd->joined, 1, handler->crowd->expected);
}

static void on_message(wpipe_server *server, const wpipe_event *event,
                       void *user)
{
    struct handler *handler = user;
    int r;

    touch(event->data, event->size);
    work(handler->work_us);
    r = wpipe_server_send(server, event->from, event->data, event->size);
    if (r < 0 && r != WPIPE_ENOTCONN)
        complain("server send: %s", wpipe_strerror(r));
}

static void on_disconnected(wpipe_server *server, const wpipe_event *event,
                            void *user)
{
    struct handler *handler = user;

    (void)server;
    (void)event;
    gate_count(&handler->crowd->left, 1, handler->crowd->expected);
}

static int serve(const struct setup *setup, struct crowd *crowd,
                 uint32_t threads)
{
    static const wpipe_handlers handlers = { .size = sizeof(handlers),
                                             .connected = on_connected,
                                             .message = on_message,
                                             .disconnected = on_disconnected };
    struct handler handler = { crowd, setup->work_us };
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    wpipe_server *server;
    int r;

    options.threads = threads;
    r = wpipe_server_open(&server, setup->name, &options);
    if (r >= 0)
        r = wpipe_server_start(server, &handlers, &handler);
    if (r < 0) {
        complain("server: %s: %s", wpipe_strerror(r), text);
        return -1;
    }
    gate_add(&crowd->ready, 1);
    r = gate_wait(&crowd->left, crowd->expected, ENDLESS_SECONDS);
    wpipe_server_stop(server);
    wpipe_server_close(server);
    return r;
}

static int serve_one(const struct setup *setup, struct crowd *crowd)
{
    return serve(setup, crowd, 1);
}

static int serve_two(const struct setup *setup, struct crowd *crowd)
{
    return serve(setup, crowd, 2);
}

/* The client is the stream of adapter_windpipe.c. */
#define CLIENT_ENDS                                             \
    .abilities = PEER_SPIN_OPTION, .connect = windpipe_connect, \
    .send = windpipe_send, .receive = windpipe_receive,         \
    .close = windpipe_close, .transport = windpipe_transport

const struct peer peer_one_thread = {
    .name = "windpipe-1-thread",
    CLIENT_ENDS,
    .serve = serve_one,
};

const struct peer peer_two_threads = {
    .name = "windpipe-2-threads",
    CLIENT_ENDS,
    .serve = serve_two,
};
