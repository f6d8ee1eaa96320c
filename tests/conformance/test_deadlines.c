/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that waits ends when it was told to: not before, and not much
 * later. All wait at the same time, for five seconds, so that a wait of twice
 * as long stands out on a busy machine, too.
 */
#include "ends.h"

#include <windpipe.h>

#define TOLD_MS 5000

struct call {
    struct ends_thread thread;
    int64_t (*run)(void *on);
    void *on;
    int64_t result;
    int64_t took_ms;
};

static int64_t read_one(void *stream)
{
    char byte;

    return wpipe_read(stream, &byte, 1, TOLD_MS);
}

static int64_t write_one(void *stream)
{
    return wpipe_write(stream, "x", 1, TOLD_MS);
}

static int64_t drain(void *stream)
{
    return wpipe_drain(stream, TOLD_MS);
}

static int64_t accept_one(void *listener)
{
    wpipe_stream *stream = NULL;

    return wpipe_accept(listener, &stream, TOLD_MS);
}

static int64_t connect_to(void *name)
{
    wpipe_stream *stream = NULL;
    int r = wpipe_connect(&stream, name, NULL, TOLD_MS);

    return r == WPIPE_ENOTFOUND ? WPIPE_ETIMEDOUT : r; /* it tells what lacks */
}

static int64_t wait_for_event(void *server)
{
    wpipe_event e;

    return wpipe_server_wait(server, &e, TOLD_MS);
}

static int64_t call(void *client)
{
    wpipe_event e;

    return wpipe_client_call(client, "x", 1, &e, TOLD_MS);
}

static int64_t send_one(void *client)
{
    return wpipe_client_send_wait(client, "x", 1, TOLD_MS);
}

static void run(void *argument)
{
    struct call *c = argument;
    int64_t begun = support_now_ms();

    c->result = c->run(c->on);
    c->took_ms = support_now_ms() - begun;
}

static void run_all(struct call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ends_start(&calls[i].thread, run, &calls[i]);
    for (size_t i = 0; i < count; i++)
        ends_join(&calls[i].thread);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(calls[i].result, WPIPE_ETIMEDOUT);
        assert_true(calls[i].took_ms >= TOLD_MS - 1); /* clocks are cut off */
        assert_true(calls[i].took_ms < TOLD_MS + SUPPORT_SOON_MS);
    }
}

static void stream_calls_end_when_told(void **state)
{
    static const uint8_t bytes[1000];
    wpipe_listener *listener = NULL;
    struct ends full;
    struct ends unread;

    ends_open(&full, *state, WPIPE_BYTE);
    ends_open(&unread, *state, WPIPE_MESSAGE);
    while (wpipe_write(full.a, bytes, sizeof bytes, 0) > 0)
        ;
    while (wpipe_write(full.a, bytes, 1, 0) > 0)
        ;
    ends_write(unread.a, "never read");
    assert_int_equal(wpipe_listen(&listener, support_unique_name(), NULL), 0);
    run_all(
        (struct call[]){
            { .run = read_one, .on = full.a },
            { .run = write_one, .on = full.a },
            { .run = drain, .on = unread.a },
            { .run = accept_one, .on = listener },
            { .run = connect_to, .on = (void *)(uintptr_t) "absent" },
        },
        5);
    wpipe_listener_close(listener);
    ends_close(&full);
    ends_close(&unread);
}

static void service_calls_end_when_told(void **state)
{
    wpipe_options options = { .size = sizeof options,
                              .flags = WPIPE_CONNECT_LATER };
    wpipe_client *clients[2] = { NULL, NULL };
    wpipe_server *server = NULL;

    (void)state;
    assert_int_equal(wpipe_server_open(&server, support_unique_name(), NULL),
                     0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wpipe_client_open(&clients[i], "absent", &options), 0);
    run_all(
        (struct call[]){
            { .run = wait_for_event, .on = server },
            { .run = call, .on = clients[0] },
            { .run = send_one, .on = clients[1] },
        },
        3);
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

static const struct ends_case cases[] = {
    EACH_OF(stream_calls_end_when_told, ENDS_FEW),
    EACH_OF(service_calls_end_when_told, ENDS_ONCE),
};

ENDS_MAIN(cases)
