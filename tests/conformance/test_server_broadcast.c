/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Broadcasts and what comes from clients meanwhile: the server looks at a
 * client's socket now and then while it writes, and what it takes off it is
 * not lost.
 */
#include "service.h"

enum {
    ROUNDS = 3,
    MANY = 600 /* more than are written between two looks at the socket */
};

/* Take what came; it is of the broadcasts. */
static void take_all(wpipe_client *client)
{
    wpipe_event e;

    while (wpipe_client_wait(client, &e, 0) == 1)
        assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
}

/* A client's bell rings for a server that sleeps; the server does not hear it
 * by its poller, since broadcasts come first. */
static void message_behind_broadcasts_is_told(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 40; i++) { /* it is shared by then, if it ever is */
        client_send_text(client, "one");
        server_expect_text(server, id, "one");
        server_send_text(server, id, "two");
        client_expect_text(client, "two");
    }
    for (int i = 0; i < ROUNDS; i++) {
        server_expect_none(server); /* it has armed the client */
        client_send_text(client, "here");
        for (int k = 0; k < MANY; k++) {
            assert_int_equal(wpipe_server_broadcast(server, "all", 3), 1);
            take_all(client);
        }
        server_expect_text(server, id, "here");
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(message_behind_broadcasts_is_told),
};

SERVICE_MAIN(cases)
