/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe as the benchmark sees it: a message pipe through the stream calls
 * with default options, and the server calls for a crowd.
 */
#include "adapter_windpipe.h"

#include <stdlib.h>
#include <string.h>

#include "measure.h"

struct windpipe_door {
    wpipe_listener *listener;
    size_t size;
};

wpipe_options windpipe_options(const struct setup *setup, char *text,
                               size_t text_size)
{
    wpipe_options options = { .size = sizeof(options) };

    options.type = WPIPE_MESSAGE;
    options.spin_us = setup->spin_us;
    options.error_text = text;
    options.error_text_size = text_size;
    return options;
}

static void *end_new(wpipe_stream *stream, size_t size)
{
    struct windpipe_end *end = malloc(sizeof(*end) + size);

    if (!end) {
        wpipe_stream_close(stream);
        return NULL;
    }
    end->stream = stream;
    end->size = size;
    memset(end->buffer, 0, size); /* no page faults while measuring */
    return end;
}

void *windpipe_listen(const struct setup *setup)
{
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    struct windpipe_door *door = calloc(1, sizeof(*door));
    int r;

    if (!door)
        return NULL;
    door->size = setup->bytes;
    r = wpipe_listen(&door->listener, setup->name, &options);
    if (r < 0) {
        complain("listen: %s: %s", wpipe_strerror(r), text);
        free(door);
        return NULL;
    }
    return door;
}

void *windpipe_accept(void *listener)
{
    struct windpipe_door *door = listener;
    wpipe_stream *stream;
    int r = wpipe_accept(door->listener, &stream, PATIENCE_MS);

    if (r < 0) {
        complain("accept: %s", wpipe_strerror(r));
        return NULL;
    }
    return end_new(stream, door->size);
}

void windpipe_unlisten(void *listener)
{
    struct windpipe_door *door = listener;

    wpipe_listener_close(door->listener);
    free(door);
}

void *windpipe_connect(const struct setup *setup)
{
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    wpipe_stream *stream;
    int r = wpipe_connect(&stream, setup->name, &options, PATIENCE_MS);

    if (r < 0) {
        complain("connect: %s: %s", wpipe_strerror(r), text);
        return NULL;
    }
    return end_new(stream, setup->bytes);
}

int windpipe_send(void *handle, const void *data, size_t size)
{
    struct windpipe_end *end = handle;
    int64_t r = wpipe_write(end->stream, data, size, WPIPE_FOREVER);

    if (r == (int64_t)size)
        return 0;
    complain("write: %s", r < 0 ? wpipe_strerror((int)r) : "short");
    return -1;
}

int64_t windpipe_receive(void *handle, const void **ret_data)
{
    struct windpipe_end *end = handle;
    int64_t r = wpipe_read(end->stream, end->buffer, end->size, WPIPE_FOREVER);

    *ret_data = end->buffer;
    if (r >= 0)
        return r;
    if (r == WPIPE_EOF)
        return -1;
    complain("read: %s", wpipe_strerror((int)r));
    return -2;
}

void windpipe_close(void *handle)
{
    struct windpipe_end *end = handle;

    wpipe_stream_close(end->stream);
    free(end);
}

const char *windpipe_transport(void *handle)
{
    struct windpipe_end *end = handle;
    wpipe_stream_facts facts = { .size = sizeof(facts) };

    if (wpipe_stream_info(end->stream, &facts) < 0)
        return "unknown";
    if (facts.shared == 2)
        return "ring";
    return facts.shared ? "ring one way" : "socket";
}

/* Take one event. 1 to go on, 0 when the crowd has gone, -1 on trouble. */
static int server_step(wpipe_server *server, struct crowd *crowd,
                       uint32_t work_us)
{
    wpipe_event event;
    int r = wpipe_server_wait(server, &event, PATIENCE_MS);

    if (r < 0 && crowd->expected == CROWD_ENDLESS && r == WPIPE_ETIMEDOUT)
        return 1;
    if (r <= 0) {
        complain("server wait: %s", wpipe_strerror(r));
        return -1;
    }
    switch (event.type) {
    case WPIPE_EVENT_CONNECTED:
        gate_count(&crowd->joined, 1, crowd->expected);
        return 1;
    case WPIPE_EVENT_MESSAGE:
        work(work_us);
        r = wpipe_server_send(server, event.from, event.data, event.size);
        if (r >= 0 || r == WPIPE_ENOTCONN)
            return 1;
        complain("server send: %s", wpipe_strerror(r));
        return -1;
    case WPIPE_EVENT_DISCONNECTED:
        gate_count(&crowd->left, 1, crowd->expected);
        return atomic_load(&crowd->left.value) < crowd->expected;
    case WPIPE_EVENT_REFUSED:
        complain("server refused a client: reason %d, %s", event.reason,
                 wpipe_strerror(event.error));
        return -1;
    default:
        return 1;
    }
}

static int windpipe_serve(const struct setup *setup, struct crowd *crowd)
{
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    wpipe_server *server;
    int r = wpipe_server_open(&server, setup->name, &options);

    if (r < 0) {
        complain("server: %s: %s", wpipe_strerror(r), text);
        return -1;
    }
    gate_add(&crowd->ready, 1);
    do
        r = server_step(server, crowd, setup->work_us);
    while (r > 0);
    wpipe_server_close(server);
    return r;
}

/* ---- broadcast ---------------------------------------------------------- */

/* All events up to now. 0 when there is none left, -1 on trouble. */
static int windpipe_move(void *handle)
{
    wpipe_server *server = handle;
    wpipe_event event;
    int r;

    while ((r = wpipe_server_wait(server, &event, 0)) > 0) {
        if (event.type != WPIPE_EVENT_DISCONNECTED &&
            event.type != WPIPE_EVENT_REFUSED)
            continue;
        complain("broadcast lost a client: reason %d, %s", event.reason,
                 wpipe_strerror(event.error));
        return -1;
    }
    return r == WPIPE_ETIMEDOUT ? 0 : -1;
}

static void *windpipe_announce(const struct setup *setup, struct crowd *crowd)
{
    char text[256] = "";
    wpipe_options options = windpipe_options(setup, text, sizeof(text));
    wpipe_server *server;
    wpipe_event event;
    int r = wpipe_server_open(&server, setup->name, &options);

    if (r < 0) {
        complain("server: %s: %s", wpipe_strerror(r), text);
        return NULL;
    }
    gate_add(&crowd->ready, 1);
    while (wpipe_server_count(server) < crowd->expected) {
        r = wpipe_server_wait(server, &event, PATIENCE_MS);
        if (r <= 0) {
            complain("server wait: %s", wpipe_strerror(r));
            wpipe_server_close(server);
            return NULL;
        }
    }
    return server;
}

static int windpipe_publish(void *server, const void *data, size_t size)
{
    int r = wpipe_server_broadcast(server, data, size);

    if (r > 0)
        return 0;
    complain("broadcast: %s", wpipe_strerror(r));
    return -1;
}

static void windpipe_hush(void *server)
{
    wpipe_server_close(server);
}

const struct peer peer_windpipe = {
    .name = "windpipe",
    .abilities = PEER_VISITS | PEER_SEES_LEAVING | PEER_SPIN_OPTION,
    .listen = windpipe_listen,
    .accept = windpipe_accept,
    .unlisten = windpipe_unlisten,
    .connect = windpipe_connect,
    .send = windpipe_send,
    .receive = windpipe_receive,
    .close = windpipe_close,
    .transport = windpipe_transport,
    .serve = windpipe_serve,
    .announce = windpipe_announce,
    .publish = windpipe_publish,
    .move = windpipe_move,
    .hush = windpipe_hush,
};
