/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that runs its handlers on threads of the library, and a client that
 * waits for its answers: the calls that take two threads, and those that look
 * at other servers.
 */
#include "every_call.h"

enum {
    PATIENCE_MS = 1000 * SUPPORT_LIMIT_FACTOR,
    CALLS = 3
};

static void on_message(wpipe_server *server, const wpipe_event *event,
                       void *user)
{
    (void)user;
    if (event->request)
        (void)wpipe_server_reply(server, event, event->data, event->size);
    else
        (void)wpipe_server_send_wait(server, event->from, event->data,
                                     event->size, PATIENCE_MS);
}

static int count_name(const char *name, const char *where, void *user)
{
    (void)name;
    (void)where;
    ++*(int *)user;
    return 0;
}

static int count_foreign(const char *name, const wpipe_foreign_facts *facts,
                         void *user)
{
    (void)name;
    (void)facts;
    ++*(int *)user;
    return 0;
}

static void look_around(struct trial *trial)
{
    wpipe_pipe_facts pipe = { .size = sizeof pipe };
    wpipe_link_facts links[4] = { { .size = sizeof *links } };
    int seen = 0;

    (void)TRIAL(trial,
                wpipe_inspect(trial->name, &pipe, links, 4, PATIENCE_MS));
    (void)TRIAL(trial, wpipe_wait_for(trial->name, PATIENCE_MS));
    (void)TRIAL(trial, wpipe_list(count_name, &seen));
    (void)TRIAL(trial, wpipe_list_foreign(count_foreign, &seen));
}

static void talk(struct trial *trial, wpipe_client *client)
{
    static const uint8_t bytes[20000];
    wpipe_event event;

    for (int i = 0; i < CALLS; i++) {
        if (TRIAL(trial, wpipe_client_call(client, "question", 8, &event,
                                           PATIENCE_MS)) == 1)
            assert_memory_equal(event.data, "question", 8);
        if (TRIAL(trial, wpipe_client_send_wait(client, bytes, sizeof bytes,
                                                PATIENCE_MS)) == 0)
            (void)TRIAL(trial, wpipe_client_wait(client, &event, PATIENCE_MS));
    }
    (void)TRIAL(trial, wpipe_client_drain(client, PATIENCE_MS));
}

static void expect_recovery(struct trial *trial, wpipe_server *server,
                            const wpipe_options *options)
{
    wpipe_client *client = NULL;
    wpipe_event event;

    if (!trial->calm)
        return;
    trial->calm();
    if (!server)
        return; /* or it has no threads: see below */
    assert_int_equal(wpipe_client_open(&client, trial->name, options), 0);
    assert_int_equal(
        wpipe_client_call(client, "anew", 4, &event, SUPPORT_WAIT_MS), 1);
    wpipe_client_close(client);
}

void trial_handlers(struct trial *trial)
{
    const wpipe_handlers handlers = { .size = sizeof handlers,
                                      .message = on_message };
    const wpipe_options options = { .size = sizeof options,
                                    .shared_memory = trial->shared_memory,
                                    .threads = 2,
                                    .connect_ms = PATIENCE_MS,
                                    .handshake_ms = PATIENCE_MS,
                                    .linger_ms = PATIENCE_MS };
    wpipe_lost lost = { .size = sizeof lost };
    wpipe_server *server = NULL;
    wpipe_client *client = NULL;

    trial->ended++; /* nothing is counted here */
    if (TRIAL(trial, wpipe_server_open(&server, trial->name, &options)) < 0)
        return;
    if (TRIAL(trial, wpipe_server_start(server, &handlers, NULL)) < 0) {
        wpipe_server_close(server);
        return;
    }
    if (TRIAL(trial, wpipe_client_open(&client, trial->name, &options)) == 0) {
        talk(trial, client);
        look_around(trial);
        (void)TRIAL(trial, wpipe_client_shutdown(client, PATIENCE_MS, &lost));
        wpipe_client_close(client);
    }
    expect_recovery(trial, server, &options);
    wpipe_server_stop(server);
    (void)TRIAL(trial, wpipe_server_shutdown(server, PATIENCE_MS, &lost));
    wpipe_server_close(server);
}
