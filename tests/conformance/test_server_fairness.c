/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that floods its server does not hold up a thousand others. Counted
 * in messages, not in time: how many of the flood are handed out before the
 * last of the others, when each of them has sent one.
 */
#include "service.h"

#include <stdlib.h>
#include <sys/resource.h>

enum {
    OTHERS = 1000,
    DESCRIPTORS_EACH = 4, /* of a client and its server in one process */
    FLOOD_SIZE = 16
};

/* Each has its turn: as many of the flood as of the others at the most, while
 * the sockets of the others are found, and some before and after. */
#define FLOOD_AT_MOST(others) ((others) + 256)

static int others_allowed(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= (OTHERS + 50) * DESCRIPTORS_EACH)
        return OTHERS;
    return (int)(limit.rlim_cur / DESCRIPTORS_EACH) - 50;
}

/* Send until nothing more goes. */
static void flood(wpipe_client *client)
{
    static const char data[FLOOD_SIZE];
    wpipe_event e;
    int r;

    while ((r = wpipe_client_send(client, data, sizeof data)) == 0)
        ;
    assert_int_equal(r, WPIPE_EAGAIN);
    while (wpipe_client_wait(client, &e, 0) == 1)
        assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
}

static void flood_does_not_hold_up_others(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_client **others;
    wpipe_client *flooder;
    wpipe_server *server;
    wpipe_id flooder_id;
    wpipe_id id;
    int count = others_allowed();
    int flooded = 0;
    int left = count;

    options.queue_limit = 4096;
    options.memory_limit = 0;
    options.buffer_in = 65536;
    options.buffer_out = 65536;
    server = service_open(state, &options);
    flooder = service_join(state, server, &options, &flooder_id);
    options.buffer_in = 4096;
    options.buffer_out = 4096;
    others = calloc((size_t)count, sizeof(wpipe_client *));
    assert_non_null(others);
    for (int i = 0; i < count; i++)
        others[i] = service_join(state, server, &options, &id);
    server_expect_none(server);
    flood(flooder);
    for (int i = 0; i < count; i++)
        client_send_text(others[i], "one");
    while (left > 0) {
        wpipe_event e = server_expect(server, WPIPE_EVENT_MESSAGE);

        flood(flooder);
        if (e.from != flooder_id)
            left--;
        else if (++flooded > FLOOD_AT_MOST(count))
            fail_msg("%d of the flood, and %d of %d others still wait", flooded,
                     left, count);
    }
    for (int i = 0; i < count; i++)
        wpipe_client_close(others[i]);
    free(others);
    wpipe_client_close(flooder);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(flood_does_not_hold_up_others),
};

SERVICE_MAIN(cases)
