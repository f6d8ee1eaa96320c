/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose memory is used up before its queue is: it is told when there
 * is some again, once, and nothing is lost.
 */
#include "service.h"

#include <windpipe/error.h>

enum {
    SIZE = 1000
};

static void client_memory_used_up_again_then_writable(void **state)
{
    static uint8_t data[SIZE];
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    unsigned sent = 0;
    unsigned got = 0;
    int r;

    options.memory_limit = 20000; /* of a queue limit of 1 MiB */
    client = service_join(state, server, &options, &id);
    for (;; sent++) {
        service_fill(data, SIZE, sent);
        r = wpipe_client_send(client, data, SIZE);
        if (r < 0)
            break;
    }
    assert_int_equal(r, WPIPE_EAGAIN);
    do {
        while (wpipe_server_wait(server, &e, 0) == 1)
            service_check(e.data, e.size, got++);
        r = wpipe_client_wait(client, &e, got < sent ? SUPPORT_WAIT_MS : 0);
    } while (r != 1);
    assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
    service_fill(data, SIZE, sent);
    assert_int_equal(wpipe_client_send(client, data, SIZE), 0);
    sent++;
    while (got < sent) {
        if (wpipe_server_wait(server, &e, 0) == 1)
            service_check(e.data, e.size, got++);
        else
            client_expect_none(client);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(client_memory_used_up_again_then_writable),
};

SERVICE_MAIN(cases)
