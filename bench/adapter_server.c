/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe by its other interface: a client that sends, a server that waits
 * for events. Between two ends it does the same as the streams, and shows
 * what the events, the queues and the table of clients cost.
 */
#include <stdlib.h>

#include "adapter_windpipe.h"

struct server_end {
    wpipe_server *server; /* one of the two */
    wpipe_client *client;
    wpipe_id peer; /* server: the one client */
};

static void *end_open(const struct setup *setup, int serves)
{
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    struct server_end *end = calloc(1, sizeof(*end));
    int r;

    if (!end)
        return NULL;
    r = serves ? wpipe_server_open(&end->server, setup->name, &options)
               : wpipe_client_open(&end->client, setup->name, &options);
    if (r < 0) {
        complain("%s: %s: %s", serves ? "server" : "client", wpipe_strerror(r),
                 text);
        free(end);
        return NULL;
    }
    return end;
}

static void *server_listen(const struct setup *setup)
{
    return end_open(setup, 1);
}

static void *server_accept(void *listener)
{
    struct server_end *end = listener;
    wpipe_event event;

    if (wpipe_server_wait(end->server, &event, PATIENCE_MS) > 0 &&
        event.type == WPIPE_EVENT_CONNECTED) {
        end->peer = event.from;
        return end;
    }
    complain("server: nobody has connected");
    return NULL;
}

/* The end is the listener: it is closed as that. */
static void server_close(void *handle)
{
    struct server_end *end = handle;

    if (!end->client)
        return;
    wpipe_client_drain(end->client, PATIENCE_MS);
    wpipe_client_close(end->client);
    free(end);
}

static void server_unlisten(void *listener)
{
    struct server_end *end = listener;

    wpipe_server_close(end->server);
    free(end);
}

static void *server_connect(const struct setup *setup)
{
    return end_open(setup, 0);
}

static int server_send(void *handle, const void *data, size_t size)
{
    struct server_end *end = handle;
    int r = end->client
                ? wpipe_client_send_wait(end->client, data, size, WPIPE_FOREVER)
                : wpipe_server_send_wait(end->server, end->peer, data, size,
                                         WPIPE_FOREVER);

    if (r >= 0)
        return 0;
    complain("send: %s", wpipe_strerror(r));
    return -1;
}

static int64_t server_receive(void *handle, const void **ret_data)
{
    struct server_end *end = handle;
    wpipe_event event;
    int r;

    do
        r = end->client ? wpipe_client_wait(end->client, &event, WPIPE_FOREVER)
                        : wpipe_server_wait(end->server, &event, WPIPE_FOREVER);
    while (r > 0 && event.type == WPIPE_EVENT_WRITABLE);
    if (r > 0 && event.type == WPIPE_EVENT_MESSAGE) {
        *ret_data = event.data;
        return (int64_t)event.size;
    }
    if (r > 0 && event.type == WPIPE_EVENT_DISCONNECTED)
        return -1;
    complain("wait: %s", wpipe_strerror(r));
    return -2;
}

static const char *server_transport(void *handle)
{
    (void)handle;
    return "not told";
}

const struct peer peer_server = {
    .name = "windpipe-server",
    .abilities = PEER_SPIN_OPTION,
    .listen = server_listen,
    .accept = server_accept,
    .unlisten = server_unlisten,
    .connect = server_connect,
    .send = server_send,
    .receive = server_receive,
    .close = server_close,
    .transport = server_transport,
};
