/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon that ends properly: on SIGTERM or SIGINT it stops waiting, says
 * goodbye to its clients, hands over all that send accepted, and tells by its
 * exit code whether everybody has read it.
 *
 *     daemon NAME [-f]
 *
 * The handler sets a flag and wakes the server; every wpipe_*_wake is safe in
 * a handler. With -f it only sets the flag, as handlers that know nothing of
 * the server do; then WPIPE_WAIT_SIGNALS lets it end the wait. Such a handler
 * may run just before the sleep begins, which then does not see it: hence the
 * wait of a second at most.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <windpipe.h>

enum {
    GOODBYE_MS = 2000
};

static volatile sig_atomic_t ends;
static wpipe_server *server;
static int wakes = 1;

static void on_signal(int number)
{
    (void)number;
    ends = 1;
    if (wakes)
        wpipe_server_wake(server);
}

/* Without SA_RESTART, for -f: some sleeps would go on. */
static void catch_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* Until the end is asked for: 0; < 0. */
static int serve(void)
{
    int timeout_ms = wakes ? WPIPE_FOREVER : 1000;
    wpipe_event e;
    int r = 0;

    while (!ends && (r >= 0 || r == WPIPE_ETIMEDOUT)) {
        r = wpipe_server_wait(server, &e, timeout_ms);
        if (r == 1 && e.type == WPIPE_EVENT_MESSAGE)
            wpipe_server_send(server, e.from, e.data, e.size);
        else if (r == 1 && e.type == WPIPE_EVENT_FINISHED)
            wpipe_server_disconnect(server, e.from);
    }
    return ends ? 0 : r;
}

/* 0 when everybody has read everything. */
static int say_goodbye(void)
{
    wpipe_lost lost = { .size = sizeof(lost) };

    wpipe_server_broadcast(server, "goodbye", 7);
    wpipe_server_shutdown(server, GOODBYE_MS, &lost);
    if (lost.peers > 0)
        fprintf(stderr, "daemon: %" PRIu32 " clients have not read all\n",
                lost.peers);
    return lost.peers > 0;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options) };
    int r;

    if (argc == 3 && strcmp(argv[2], "-f") == 0) {
        options.flags = WPIPE_WAIT_SIGNALS;
        wakes = 0;
    } else if (argc != 2) {
        fprintf(stderr, "usage: daemon NAME [-f]\n");
        return 2;
    }
    r = wpipe_server_open(&server, argv[1], &options);
    if (r == 0) {
        catch_signals();
        r = serve();
    }
    if (r < 0)
        fprintf(stderr, "daemon: %s\n", wpipe_strerror(r));
    else
        r = say_goodbye();
    wpipe_server_close(server);
    return r == 0 ? 0 : 1;
}
