/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers and clients for the cases of this folder, over every transport by
 * construction: framed on the socket for good, in shared memory from the
 * start, and moving there in the middle of the case. A case is written once;
 * what it finds in *state says which of them it is.
 *
 * In one thread a client connects "later": its wait says hello, the server's
 * wait lets it in, its next wait tells CONNECTED.
 */
#ifndef WINDPIPE_TESTS_SERVICE_H
#define WINDPIPE_TESTS_SERVICE_H

#include "support.h"

#include <pthread.h>
#include <windpipe.h>

struct service_kind {
    const char *name;
    int shared_memory; /* WPIPE_SHARED_* of both ends */
    int warm;          /* messages each way before the case begins */
};

/* Options of this kind, all else default. `state` of the case. */
wpipe_options service_options(void **state);

/* A server with a name of its own. NULL: service_options. */
wpipe_server *service_open(void **state, const wpipe_options *options);

/* One more client, connected and told; the server's CONNECTED is taken, too.
 * Nobody else may wait on the server. NULL: service_options. */
wpipe_client *service_join(void **state, wpipe_server *server,
                           const wpipe_options *options, wpipe_id *ret_id);

/* ---- words of the cases ------------------------------------------------- */

/* The next event is of this type. */
wpipe_event server_expect(wpipe_server *server, int type);
wpipe_event client_expect(wpipe_client *client, int type);
/* It is this message. */
void server_expect_text(wpipe_server *server, wpipe_id from, const char *text);
void client_expect_text(wpipe_client *client, const char *text);
/* No event is there. */
void server_expect_none(wpipe_server *server);
void client_expect_none(wpipe_client *client);

void server_send_text(wpipe_server *server, wpipe_id to, const char *text);
void client_send_text(wpipe_client *client, const char *text);

/* Bytes that tell their place and whose they are. */
void service_fill(uint8_t *buf, size_t size, uint64_t seed);
void service_check(const void *buf, size_t size, uint64_t seed);

/* ---- a server of its own ------------------------------------------------ */

/* A thread of the case. */
struct service_thread {
    pthread_t system;
    void *(*run)(void *);
};
void service_start(struct service_thread *thread, void *(*run)(void *),
                   void *argument);
void service_finish(struct service_thread *thread);

/* What a server did that ran until it was stopped. */
struct service_echo {
    wpipe_server *server;
    struct service_thread thread;
    size_t connected;
    size_t disconnected;
    size_t messages;
    size_t refused;
    int last_reason;
    int error; /* what ended its wait, if not a stop */
};

/* Sends back what comes, on a thread, until the end. */
void service_echo_begin(struct service_echo *echo, wpipe_server *server);
void service_echo_end(struct service_echo *echo); /* closes the server */

/* ---- raw peers ---------------------------------------------------------- */

/* A socket connected to the server's door, which said nothing yet. */
int service_dial_raw(const char *name);
/* Say a proper hello on it. */
void service_hello_raw(int fd);
/* Until the other end has closed it; what came is thrown away. */
void service_wait_hangup(int fd);

/* ---- the table ---------------------------------------------------------- */

struct service_case {
    const char *name;
    void (*run)(void **state);
    int flags; /* SUPPORT_SLOW */
    int once;  /* the transport does not matter */
};

#define EACH(function)            \
    {                             \
#function, function, 0, 0 \
    }
#define EACH_SLOW(function)                  \
    {                                        \
#function, function, SUPPORT_SLOW, 0 \
    }
#define ONCE(function)            \
    {                             \
#function, function, 0, 1 \
    }
#define ONCE_SLOW(function)                  \
    {                                        \
#function, function, SUPPORT_SLOW, 1 \
    }

#define SERVICE_MAIN(cases)                                                   \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        return service_main(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

int service_main(int argc, char **argv, const struct service_case *cases,
                 size_t count);

#endif
