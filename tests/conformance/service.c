/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers and clients for the cases.
 */
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "door/door.h"

static const struct service_kind kinds[] = {
    { "framed", WPIPE_SHARED_NEVER, 0 },
    { "shared", WPIPE_SHARED_NOW, 0 },
    /* a link moves with its sixteenth record: soon after the case begins */
    { "switching", WPIPE_SHARED_AUTO, 6 },
};

#define KINDS (sizeof kinds / sizeof *kinds)

static const struct service_kind *kind_of(void **state)
{
    return *state ? *state : &kinds[0];
}

wpipe_options service_options(void **state)
{
    wpipe_options options = { .size = sizeof options };

    options.shared_memory = kind_of(state)->shared_memory;
    return options;
}

wpipe_server *service_open(void **state, const wpipe_options *options)
{
    wpipe_options own = service_options(state);
    wpipe_server *server = NULL;

    assert_int_equal(wpipe_server_open(&server, support_unique_name(),
                                       options ? options : &own),
                     0);
    return server;
}

static void warm_up(void **state, wpipe_server *server, wpipe_client *client,
                    wpipe_id id)
{
    for (int i = 0; i < kind_of(state)->warm; i++) {
        client_send_text(client, "warm");
        server_expect_text(server, id, "warm");
        server_send_text(server, id, "up");
        client_expect_text(client, "up");
    }
}

wpipe_client *service_join(void **state, wpipe_server *server,
                           const wpipe_options *options, wpipe_id *ret_id)
{
    wpipe_options own = options ? *options : service_options(state);
    wpipe_client *client = NULL;
    wpipe_event event;

    own.flags |= WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &own), 0);
    assert_int_equal(wpipe_client_wait(client, &event, 0), WPIPE_ETIMEDOUT);
    event = server_expect(server, WPIPE_EVENT_CONNECTED);
    *ret_id = event.from;
    assert_int_not_equal(event.from, 0);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    if (own.direction == WPIPE_DUPLEX)
        warm_up(state, server, client, *ret_id);
    return client;
}

/* ---- words of the cases ------------------------------------------------- */

static const char *type_name(int type)
{
    static const char *const names[] = {
        "none",     "connected", "message",  "disconnected", "refused",
        "writable", "skipped",   "finished", "reply",        "name"
    };

    return type > 0 && type <= WPIPE_EVENT_NAME ? names[type] : "unknown";
}

static void check_event(int result, const wpipe_event *event, int type)
{
    if (result != 1)
        fail_msg("%s instead of %s",
                 result == 0 ? "woken" : wpipe_error_name(result),
                 type_name(type));
    if (event->type != type)
        fail_msg("%s (reason %d, %s) instead of %s", type_name(event->type),
                 event->reason, wpipe_error_name(event->error),
                 type_name(type));
}

wpipe_event server_expect(wpipe_server *server, int type)
{
    wpipe_event event = { 0 };
    int r = wpipe_server_wait(server, &event, SUPPORT_WAIT_MS);

    check_event(r, &event, type);
    return event;
}

wpipe_event client_expect(wpipe_client *client, int type)
{
    wpipe_event event = { 0 };
    int r = wpipe_client_wait(client, &event, SUPPORT_WAIT_MS);

    check_event(r, &event, type);
    return event;
}

static void check_text(const wpipe_event *event, const char *text)
{
    assert_int_equal(event->size, strlen(text));
    assert_memory_equal(event->data, text, strlen(text));
}

void server_expect_text(wpipe_server *server, wpipe_id from, const char *text)
{
    wpipe_event event = server_expect(server, WPIPE_EVENT_MESSAGE);

    assert_int_equal(event.from, from);
    check_text(&event, text);
}

void client_expect_text(wpipe_client *client, const char *text)
{
    wpipe_event event = client_expect(client, WPIPE_EVENT_MESSAGE);

    check_text(&event, text);
}

void server_expect_none(wpipe_server *server)
{
    wpipe_event event;

    assert_int_equal(wpipe_server_wait(server, &event, 0), WPIPE_ETIMEDOUT);
}

void client_expect_none(wpipe_client *client)
{
    wpipe_event event;

    assert_int_equal(wpipe_client_wait(client, &event, 0), WPIPE_ETIMEDOUT);
}

void server_send_text(wpipe_server *server, wpipe_id to, const char *text)
{
    assert_int_equal(wpipe_server_send(server, to, text, strlen(text)), 0);
}

void client_send_text(wpipe_client *client, const char *text)
{
    assert_int_equal(wpipe_client_send(client, text, strlen(text)), 0);
}

void service_fill(uint8_t *buf, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(seed * 131 + i + i / 251);
}

void service_check(const void *buf, size_t size, uint64_t seed)
{
    const uint8_t *bytes = buf;

    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (uint8_t)(seed * 131 + i + i / 251))
            fail_msg("byte %zu of %zu is not of %lu", i, size,
                     (unsigned long)seed);
}

/* ---- a server of its own ------------------------------------------------ */

void service_start(struct service_thread *thread, void *(*run)(void *),
                   void *argument)
{
    thread->run = run;
    assert_int_equal(pthread_create(&thread->system, NULL, run, argument), 0);
}

void service_finish(struct service_thread *thread)
{
    assert_int_equal(pthread_join(thread->system, NULL), 0);
}

static void echo_event(struct service_echo *echo, const wpipe_event *event)
{
    int r;

    switch (event->type) {
    case WPIPE_EVENT_CONNECTED:
        echo->connected++;
        break;
    case WPIPE_EVENT_MESSAGE:
        echo->messages++;
        r = event->request
                ? wpipe_server_reply(echo->server, event, event->data,
                                     event->size)
                : wpipe_server_send_wait(echo->server, event->from, event->data,
                                         event->size, SUPPORT_WAIT_MS);
        if (r < 0 && r != WPIPE_ENOTCONN)
            fail_msg("echo: %s", wpipe_error_name(r));
        break;
    case WPIPE_EVENT_DISCONNECTED:
        echo->disconnected++;
        echo->last_reason = event->reason;
        break;
    case WPIPE_EVENT_REFUSED:
        echo->refused++;
        break;
    default:
        break;
    }
}

static void *run_echo(void *argument)
{
    struct service_echo *echo = argument;
    wpipe_event event;
    int r;

    while ((r = wpipe_server_wait(echo->server, &event, WPIPE_FOREVER)) == 1)
        echo_event(echo, &event);
    echo->error = r;
    return NULL;
}

void service_echo_begin(struct service_echo *echo, wpipe_server *server)
{
    memset(echo, 0, sizeof *echo);
    echo->server = server;
    service_start(&echo->thread, run_echo, echo);
}

void service_echo_end(struct service_echo *echo)
{
    wpipe_server_stop(echo->server);
    service_finish(&echo->thread);
    assert_int_equal(echo->error, 0);
    wpipe_server_close(echo->server);
}

/* ---- raw peers ---------------------------------------------------------- */

int service_dial_raw(const char *name)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, NULL, &socket), 0);
    return socket;
}

void service_hello_raw(int fd)
{
    struct wpipe__greeting greeting = {
        .version_low = WPIPE__WIRE_VERSION,
        .version_high = WPIPE__WIRE_VERSION,
        .buffer_in = 65536,
        .buffer_out = 65536,
        .max_message = 65536,
    };
    struct wpipe__frame frame = { .type = WPIPE__FRAME_HELLO,
                                  .size = WPIPE__GREETING_SIZE,
                                  .value = WPIPE__HELLO_MAGIC };
    uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];

    wpipe__frame_encode(&frame, bytes);
    wpipe__greeting_encode(&greeting, bytes + WPIPE__FRAME_HEADER);
    assert_int_equal(send(fd, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
}

void service_wait_hangup(int fd)
{
    char buf[4096];
    ssize_t n;

    do {
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && errno == EAGAIN));
}

/* ---- the table ---------------------------------------------------------- */

int service_main(int argc, char **argv, const struct service_case *cases,
                 size_t count)
{
    struct support_case *table = calloc(count * KINDS, sizeof *table);
    size_t used = 0;
    int r;

    if (!table)
        return 1;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < (cases[i].once ? 1 : KINDS); k++) {
            struct support_case *entry = &table[used++];

            entry->name = cases[i].name;
            entry->run = cases[i].run;
            entry->argument = (void *)(uintptr_t)&kinds[k];
            entry->variant = cases[i].once ? NULL : kinds[k].name;
            entry->flags = cases[i].flags;
        }
    }
    r = support_main(argc, argv, table, used);
    free(table);
    return r;
}
