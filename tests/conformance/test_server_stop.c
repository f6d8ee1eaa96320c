/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads stop a server whose callback is still running: both wait for its
 * end.
 */
#include "service.h"

#include <semaphore.h>
#include <unistd.h>
#include <windpipe/error.h>

/* A callback that is held up until the case lets it go. */
struct held {
    sem_t entered;
    sem_t release;
};

struct stopper {
    wpipe_server *server;
    struct service_thread thread;
    sem_t begun;
    pid_t tid;
    _Atomic int returned;
};

static void hold(wpipe_server *server, const wpipe_event *event, void *user)
{
    struct held *held = user;

    (void)server;
    (void)event;
    sem_post(&held->entered);
    while (sem_wait(&held->release) < 0)
        ;
}

static void *stop(void *argument)
{
    struct stopper *s = argument;

    s->tid = support_tid();
    sem_post(&s->begun);
    wpipe_server_stop(s->server);
    s->returned = 1;
    return NULL;
}

static void begin_stop(struct stopper *s, wpipe_server *server)
{
    s->server = server;
    s->returned = 0;
    sem_init(&s->begun, 0, 0);
    service_start(&s->thread, stop, s);
    while (sem_wait(&s->begun) < 0)
        ;
    support_wait_asleep(getpid(), s->tid);
}

static void stop_from_two_threads_waits_in_both(void **state)
{
    const wpipe_handlers handlers = { .size = sizeof handlers,
                                      .message = hold };
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    struct stopper stoppers[2];
    wpipe_client *client = NULL;
    struct held held;

    sem_init(&held.entered, 0, 0);
    sem_init(&held.release, 0, 0);
    assert_int_equal(wpipe_server_start(server, &handlers, &held), 0);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    client_send_text(client, "hold it");
    while (sem_wait(&held.entered) < 0)
        ;
    begin_stop(&stoppers[0], server);
    begin_stop(&stoppers[1], server);
    assert_false(stoppers[0].returned);
    assert_false(stoppers[1].returned);
    sem_post(&held.release);
    service_finish(&stoppers[0].thread);
    service_finish(&stoppers[1].thread);
    wpipe_server_stop(server); /* nobody is left to wait for */
    assert_int_equal(wpipe_server_start(server, &handlers, &held),
                     WPIPE_ESTATE);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(stop_from_two_threads_waits_in_both),
};

SERVICE_MAIN(cases)
