/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much is queued for a peer that reads nothing: what queue_limit says, to
 * the byte, at either end.
 */
#include "service.h"

enum {
    MESSAGE = 1000
};

static const uint8_t data[MESSAGE];

/* Until it is refused; how many went. */
static int server_fill(wpipe_server *server, wpipe_id id)
{
    int sent = 0;
    int r;

    while ((r = wpipe_server_send(server, id, data, sizeof data)) == 0)
        sent++;
    assert_int_equal(r, WPIPE_EAGAIN);
    return sent;
}

static int client_fill(wpipe_client *client)
{
    int sent = 0;
    int r;

    while ((r = wpipe_client_send(client, data, sizeof data)) == 0)
        sent++;
    assert_int_equal(r, WPIPE_EAGAIN);
    return sent;
}

/* A server tells how much it holds. */
static void queued_told(wpipe_server *server, uint64_t limit)
{
    wpipe_pipe_facts facts = { .size = sizeof facts };
    wpipe_link_facts link = { .size = sizeof link };

    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, &link, 1,
                                   SUPPORT_WAIT_MS),
                     1);
    assert_true(link.queued <= limit);
    if (!link.shared) /* else it grows a ring for them while it waits */
        assert_int_equal(link.queued, limit);
}

static int sent_by_server(void **state, uint64_t limit)
{
    wpipe_options options = service_options(state);
    struct service_echo echo;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    int sent;

    options.queue_limit = limit;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    sent = server_fill(server, id);
    service_echo_begin(&echo, server);
    queued_told(server, limit);
    wpipe_client_close(client);
    service_echo_end(&echo);
    return sent;
}

static int sent_by_client(void **state, uint64_t limit)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_id id;
    int sent;

    options.queue_limit = limit;
    options.linger_ms = 1;
    client = service_join(state, server, &options, &id);
    sent = client_fill(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
    return sent;
}

/* The ring or socket takes the same each time; the rest is the limit. */
static void server_queue_holds_its_limit(void **state)
{
    int less = sent_by_server(state, 20 * MESSAGE);

    assert_int_equal(sent_by_server(state, 60 * MESSAGE) - less, 40);
}

static void client_queue_holds_its_limit(void **state)
{
    int less = sent_by_client(state, 20 * MESSAGE);

    assert_int_equal(sent_by_client(state, 60 * MESSAGE) - less, 40);
}

static const struct service_case cases[] = {
    EACH(server_queue_holds_its_limit),
    EACH(client_queue_holds_its_limit),
};

SERVICE_MAIN(cases)
