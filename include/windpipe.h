/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe: named pipes with messages and events.
 *
 * A server owns a name and talks to many clients; a client talks to one
 * server. Both are pulled: wpipe_server_wait() and wpipe_client_wait() give
 * one event at a time, on the thread that calls. No hidden threads, no
 * callbacks unless wpipe_server_start() is asked for them.
 *
 *     wpipe_server *s;
 *     wpipe_event e;
 *     if (wpipe_server_open(&s, "echo", NULL) < 0)
 *         return 1;
 *     while (wpipe_server_wait(s, &e, WPIPE_FOREVER) > 0)
 *         if (e.type == WPIPE_EVENT_MESSAGE)
 *             wpipe_server_send(s, e.from, e.data, e.size);
 *     wpipe_server_close(s);
 *
 * Threads: one thread waits; send, reply, broadcast, drain, disconnect, kick,
 *     peer, count, stop and wake may be called from any thread; close when no
 *     call is running.
 * Memory: event data is borrowed until the next wait on the same object.
 *     Sends copy. You close what you open; close(NULL) is fine.
 * Fork: a child may only close what its parent opened.
 */
#ifndef WINDPIPE_H
#define WINDPIPE_H

#include <windpipe/error.h>
#include <windpipe/message.h>
#include <windpipe/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wpipe_server wpipe_server;
typedef struct wpipe_client wpipe_client;

/* Names one connection; never used again; 0 is nobody. */
typedef uint64_t wpipe_id;

/* Every client: for wpipe_server_drain. */
#define WPIPE_ALL ((wpipe_id)-1)

/* event.lost_messages, event.lost_bytes: the system cannot tell how much. */
#define WPIPE_LOST_UNKNOWN UINT64_MAX

enum wpipe_event_type {
    WPIPE_EVENT_CONNECTED = 1,    /* from: a new connection */
    WPIPE_EVENT_MESSAGE = 2,      /* from, data, size; request if a call */
    WPIPE_EVENT_DISCONNECTED = 3, /* from, reason, lost_messages, lost_bytes */
    WPIPE_EVENT_REFUSED = 4,      /* server: a peer was not let in; reason */
    WPIPE_EVENT_WRITABLE = 5,     /* from: its queue has room after EAGAIN */
    WPIPE_EVENT_SKIPPED = 6,      /* from: a broadcast left this client out */
    WPIPE_EVENT_FINISHED = 7      /* from: it sends nothing more, but it is
                                     still there and reads */
};

/* event.reason of DISCONNECTED and REFUSED */
enum wpipe_reason {
    WPIPE_REASON_CLOSED = 0,   /* the peer closed */
    WPIPE_REASON_DIED = 1,     /* the peer's process ended without closing */
    WPIPE_REASON_PROTOCOL = 2, /* the peer broke the protocol */
    WPIPE_REASON_SLOW = 3,     /* the peer did not read fast enough; or, with
                                  error WPIPE_ETIMEDOUT, did not finish a
                                  message in options.message_ms */
    WPIPE_REASON_KICKED = 4,   /* we ended it, or the server kicked us */
    WPIPE_REASON_DENIED = 5,   /* REFUSED: not allowed in */
    WPIPE_REASON_FULL = 6,     /* REFUSED: max_clients, or out of descriptors */
    WPIPE_REASON_TOO_BIG = 7,  /* a message over max_message */
    WPIPE_REASON_MEMORY = 8,   /* we ran out of memory for it */
    WPIPE_REASON_LOST = 9      /* the peer closed, and threw away messages
                                  that it had accepted for us */
};

typedef struct wpipe_event {
    int type;         /* WPIPE_EVENT_* */
    int reason;       /* WPIPE_REASON_* */
    wpipe_id from;    /* the connection it is about */
    const void *data; /* MESSAGE: the whole message, borrowed */
    size_t size;
    uint64_t request;       /* MESSAGE: not 0 when it is a call to answer with
                               wpipe_server_reply */
    uint64_t lost_messages; /* DISCONNECTED: accepted, but not read by the peer
                               when it ended; or WPIPE_LOST_UNKNOWN */
    uint64_t lost_bytes;    /* the same in bytes */
    int os_error;           /* the system's own number, where there is one */
    int error;              /* the WPIPE_E* behind the reason, or 0 */
    uint64_t reserved[4];
} wpipe_event;

/* ---- server ----------------------------------------------------------- */

/*
 * Take a name and serve it. NULL makes a new unique name.
 *
 * Returns 0 and the server in *ret. Errors: as wpipe_listen.
 * Does not block. Source: NamedPipeServerStream with many instances.
 */
WPIPE_API int wpipe_server_open(wpipe_server **ret, const char *name,
                                const wpipe_options *options);

/*
 * The next event. Trouble with one peer, or a full descriptor table, is an
 * event and never an error.
 *
 * Returns 1 and the event; 0 when woken or stopped (stopped stays so).
 * Errors: WPIPE_ETIMEDOUT, WPIPE_EWOKEN (a signal handler ran, with
 *     WPIPE_WAIT_SIGNALS), WPIPE_EINVAL, WPIPE_ENOMEM, WPIPE_ESYSTEM,
 *     WPIPE_ESTATE (another thread waits, or the handlers of
 *     wpipe_server_start get the events: always so with options.threads > 1).
 * Blocks up to timeout_ms.
 */
WPIPE_API int wpipe_server_wait(wpipe_server *server, wpipe_event *ret_event,
                                int timeout_ms);

/*
 * Send one message to one client. Never waits: what does not fit into the
 * client's ring is queued, up to options.queue_limit, within the client's
 * share of options.memory_limit.
 *
 * 0 means accepted: it arrives, whole, once and in order, if the client goes
 * on reading; or its DISCONNECTED event counts it as lost. A queue moves on
 * whenever its client has read, in every call on this server: in wait first of
 * all, but also in send, drain, shutdown and close. What ends it: the client
 * goes, kick, or the end of options.linger_ms in close; then the client is
 * told that something was lost. docs/delivery.md has the whole story.
 *
 * Returns 0. Errors: WPIPE_EAGAIN (the queue, or the memory for all of them,
 *     is full; a WRITABLE event follows), WPIPE_ENOTCONN (that client is gone,
 *     or being ended by disconnect, shutdown or close), WPIPE_EMSGSIZE,
 *     WPIPE_ENOMEM, WPIPE_EINVAL. Any thread.
 */
WPIPE_API int wpipe_server_send(wpipe_server *server, wpipe_id to,
                                const void *data, size_t size);

/*
 * As send, waiting up to timeout_ms for room.
 *
 * Returns 0. Errors: those of send but WPIPE_EAGAIN; WPIPE_ETIMEDOUT;
 *     WPIPE_ENOTCONN at once when that client ends; WPIPE_EWOKEN (a wake, the
 *     server is stopped, or a signal handler ran with WPIPE_WAIT_SIGNALS; and
 *     it would have to wait). Any thread.
 */
WPIPE_API int wpipe_server_send_wait(wpipe_server *server, wpipe_id to,
                                     const void *data, size_t size,
                                     int timeout_ms);

/*
 * Send one message to every client. A client whose queue is full is dropped
 * or skipped (options.slow_reader), each with an event.
 *
 * Returns how many clients it was queued for. Errors: WPIPE_ENOMEM,
 *     WPIPE_EMSGSIZE, WPIPE_EINVAL. Any thread; never waits.
 */
WPIPE_API int wpipe_server_broadcast(wpipe_server *server, const void *data,
                                     size_t size);

/*
 * Answer the call in `event` (event->request is not 0). A late answer to a
 * call that timed out is thrown away at the other end.
 *
 * Returns 0. Errors: as send, WPIPE_EINVAL when the event is not a call.
 */
WPIPE_API int wpipe_server_reply(wpipe_server *server, const wpipe_event *event,
                                 const void *data, size_t size);

/*
 * Wait until `who`, or with WPIPE_ALL every client that is connected now, has
 * read everything that was sent to it. With WPIPE_ALL, those that go meanwhile
 * do not matter: their DISCONNECTED events say what they lost.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENOTCONN (that client went before
 *     it had read all, or is not there), WPIPE_EWOKEN (as send_wait),
 *     WPIPE_EINVAL, WPIPE_ESYSTEM.
 * Blocks up to timeout_ms. Any thread, not in a handler.
 */
WPIPE_API int wpipe_server_drain(wpipe_server *server, wpipe_id who,
                                 int timeout_ms);

/*
 * End one client's connection in good order. Nothing more is sent to it or
 * taken from it. It may read what was sent; when it has, or is gone, or has
 * read nothing for options.linger_ms, it sees the end: WPIPE_EOF, or CLOSED;
 * or, if something queued had to be thrown away, as in wpipe_server_close. Its
 * DISCONNECTED event (reason CLOSED, and what it had not read) follows.
 *
 * Returns 0. Errors: WPIPE_ENOTCONN (gone, or being ended), WPIPE_EINVAL.
 * Never waits; any thread.
 */
WPIPE_API int wpipe_server_disconnect(wpipe_server *server, wpipe_id who);

/*
 * End one client's connection at once: what it has not read is void; its
 * DISCONNECTED event (reason KICKED) follows.
 *
 * Returns 0. Errors: WPIPE_ENOTCONN, WPIPE_EINVAL. Never waits; any thread.
 */
WPIPE_API int wpipe_server_kick(wpipe_server *server, wpipe_id who);

/* Who a client is. Returns 0. Errors: WPIPE_ENOTCONN, WPIPE_EINVAL. */
WPIPE_API int wpipe_server_peer(wpipe_server *server, wpipe_id who,
                                wpipe_peer *ret_peer);

/* How many clients are connected. */
WPIPE_API size_t wpipe_server_count(wpipe_server *server);

/* The server's name; owned by the server. */
WPIPE_API const char *wpipe_server_name(const wpipe_server *server);

/*
 * A descriptor for a foreign event loop: readable when wait(timeout 0) may
 * have an event, or something to do: every deadline that the library keeps
 * (handshake_ms, message_ms, second pipes, linger_ms of a disconnect; of a
 * client connect_ms and the next try) makes it readable, too. After it is
 * readable call wait until WPIPE_ETIMEDOUT; it is level-triggered, and stays
 * readable after wpipe_server_stop. Asking for it again has no effect.
 * Errors: WPIPE_EINVAL, WPIPE_ESTATE (options.threads > 1).
 */
WPIPE_API intptr_t wpipe_server_fd(wpipe_server *server);

/*
 * End all that waits on the server at this moment: wait returns 0, send_wait
 * and drain WPIPE_EWOKEN. When nobody waits, the next wait ends so, or the
 * next send_wait or drain that would have to wait. Several such wakes count as
 * one. Shutdown and close go on. Any thread; safe in a signal handler.
 */
WPIPE_API void wpipe_server_wake(wpipe_server *server);

/*
 * Make every wait return 0 from now on, and every send_wait and drain that
 * would have to wait WPIPE_EWOKEN, also those that wait at this moment; and
 * end the threads of wpipe_server_start and wait for them (unless called on
 * one of them). Any thread. Takes locks: in a signal handler use
 * wpipe_server_wake.
 */
WPIPE_API void wpipe_server_stop(wpipe_server *server);

/* The callback form: any handler may be NULL. */
typedef struct wpipe_handlers {
    size_t size;
    void (*connected)(wpipe_server *server, const wpipe_event *event,
                      void *user);
    void (*message)(wpipe_server *server, const wpipe_event *event, void *user);
    void (*disconnected)(wpipe_server *server, const wpipe_event *event,
                         void *user);
    void (*other)(wpipe_server *server, const wpipe_event *event, void *user);
} wpipe_handlers;

/*
 * Run the handlers on one thread of the library's own until
 * wpipe_server_stop. Handlers may send, kick and stop; not wait or close.
 *
 * With options.threads = N there are N such threads, and each client belongs
 * to one of them: its events come in order and never two at once, while those
 * of different clients run at the same time. REFUSED comes on the first one.
 *
 * Returns 0. Errors: WPIPE_ESTATE (started already, or stopped), WPIPE_ENOMEM,
 *     WPIPE_ELIMIT (no more threads), WPIPE_ESYSTEM.
 */
WPIPE_API int wpipe_server_start(wpipe_server *server,
                                 const wpipe_handlers *handlers, void *user);

/* What was accepted for sending, and nobody took. */
typedef struct wpipe_lost {
    size_t size;       /* set to sizeof(wpipe_lost) by the caller */
    uint64_t messages; /* or WPIPE_LOST_UNKNOWN */
    uint64_t bytes;    /* the same */
    uint32_t peers;    /* that had not read all */
} wpipe_lost;

/*
 * Stop as wpipe_server_stop does, give the name back, send nothing more, and
 * wait until every client has read what was sent to it, or is gone. Then end
 * every connection in good order. wait returns 0 from then on, sends get
 * WPIPE_ENOTCONN, and close only frees. What clients have sent and was not
 * given out by wait is thrown away: their own end counts it as lost.
 *
 * *ret_lost (which may be NULL) tells what was not read, by clients that went
 * or were too slow. What lies in a client's ring can still be read by it
 * later, although it is counted here; what was only queued is lost, and the
 * client is told so.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT (all is ended all the same),
 *     WPIPE_EINVAL, WPIPE_ESTATE (in a handler, or in a forked child).
 * Blocks up to timeout_ms. *ret_lost is filled in with 0 and with ETIMEDOUT.
 */
WPIPE_API int wpipe_server_shutdown(wpipe_server *server, int timeout_ms,
                                    wpipe_lost *ret_lost);

/*
 * Stop, give the name back, hand over what send accepted, end every connection
 * in good order, free. Waits for clients that have yet to read, but for at most
 * options.linger_ms; a client for which something was thrown away then is told
 * so: WPIPE_EDISCONNECTED instead of WPIPE_EOF, or reason LOST.
 */
WPIPE_API void wpipe_server_close(wpipe_server *server);

/* ---- client ----------------------------------------------------------- */

/*
 * Connect to a server, waiting up to options.connect_ms (five minutes) for it
 * to appear. With WPIPE_CONNECT_LATER it returns at once and the connection
 * is made later; with WPIPE_RECONNECT it is made again when lost.
 *
 * Both is done inside wait, call, send_wait and drain, whichever of them runs,
 * within their own timeout; there is no hidden thread. A lost server is looked
 * for at once, then after a delay that grows from 10 ms to a second with each
 * try that it refuses, and begins anew after a connection that held a second;
 * one that is not there is tried when it appears. When a name appears while a
 * delay runs, a tenth of it at most is still waited for.
 *
 * Returns 0 and the client in *ret. Errors: as wpipe_connect.
 */
WPIPE_API int wpipe_client_open(wpipe_client **ret, const char *name,
                                const wpipe_options *options);

/*
 * The next event. MESSAGE; FINISHED when the server sends nothing more but
 * still reads; DISCONNECTED once when the server is lost; with
 * RECONNECT or CONNECT_LATER also CONNECTED for each connection made. After a
 * final DISCONNECTED: WPIPE_ENOTCONN.
 *
 * The events of one connection come together and once: CONNECTED, its
 * messages, DISCONNECTED, then those of the next one; also when the
 * connections were made and lost inside other calls. What those find is kept:
 * messages up to options.memory_limit, and the last 64 connections that have
 * ended; of more the oldest that was not announced yet is forgotten, with its
 * messages.
 *
 * Returns 1 and the event; 0 when woken. Errors: WPIPE_ETIMEDOUT,
 *     WPIPE_EWOKEN (a signal handler ran, with WPIPE_WAIT_SIGNALS),
 *     WPIPE_ENOTCONN, WPIPE_ESTATE (another thread waits or calls),
 *     WPIPE_EINVAL, WPIPE_ENOMEM, WPIPE_ESYSTEM.
 */
WPIPE_API int wpipe_client_wait(wpipe_client *client, wpipe_event *ret_event,
                                int timeout_ms);

/*
 * Send one message. Never waits; queues up to options.queue_limit. What
 * "accepted" means, and when a queue moves on, is as for wpipe_server_send.
 *
 * Returns 0. Errors: WPIPE_EAGAIN (WRITABLE follows), WPIPE_ENOTCONN (down;
 *     nothing is kept; or shut down), WPIPE_EMSGSIZE, WPIPE_ENOMEM. Any
 *     thread.
 */
WPIPE_API int wpipe_client_send(wpipe_client *client, const void *data,
                                size_t size);

/*
 * As send, waiting up to timeout_ms for room, and, with RECONNECT or before
 * the first connection of CONNECT_LATER, for a connection. With timeout 0 it
 * neither waits nor connects. The message may go over a connection that wait
 * has yet to tell of; send never goes on with the next one.
 *
 * Returns 0. Errors: those of send but WPIPE_EAGAIN; WPIPE_ETIMEDOUT (nothing
 *     was sent; maybe there is no server); WPIPE_ENOTCONN at once when the
 *     server ends and is not connected to again; WPIPE_EWOKEN (a wake, or a
 *     signal handler ran with WPIPE_WAIT_SIGNALS). Any thread.
 */
WPIPE_API int wpipe_client_send_wait(wpipe_client *client, const void *data,
                                     size_t size, int timeout_ms);

/*
 * Send a request and wait for its answer. Other events that come meanwhile
 * are kept for wait, in order. A late answer never answers another call.
 *
 * With RECONNECT, or before the first connection of CONNECT_LATER, it waits
 * for a connection, then sends the request. A request that was sent is never
 * sent again: when its connection is lost the server may have done it or not.
 *
 * Returns 1 and the answer as a MESSAGE event. Errors: WPIPE_ETIMEDOUT,
 *     WPIPE_ENOTCONN (lost before the answer, or the server has finished
 *     sending; or there is no connection and none will come), WPIPE_ENOTSUP
 *     (at once: the other end is not windpipe, or the pipe is one of bytes:
 *     neither carries the number of a call), WPIPE_EWOKEN (as send_wait),
 *     WPIPE_ESTATE (another thread waits or calls), and send's.
 */
WPIPE_API int wpipe_client_call(wpipe_client *client, const void *request,
                                size_t size, wpipe_event *ret_answer,
                                int timeout_ms);

/*
 * Wait until the server has read everything that was sent.
 *
 * When a connection is lost with something unread: WPIPE_ENOTCONN at once, or,
 * when that was before, by the next drain; once, and not after its DISCONNECTED
 * was told. With RECONNECT, or before the first connection of CONNECT_LATER,
 * drain then waits for a connection: 0 says that the server is there, too.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENOTCONN, WPIPE_EWOKEN (as
 *     send_wait), WPIPE_EINVAL, WPIPE_ENOMEM. Any thread.
 */
WPIPE_API int wpipe_client_drain(wpipe_client *client, int timeout_ms);

/* Who the server is. Returns 0. Errors: WPIPE_ENOTCONN, WPIPE_EINVAL. */
WPIPE_API int wpipe_client_peer(wpipe_client *client, wpipe_peer *ret_peer);

/* As wpipe_server_fd. */
WPIPE_API intptr_t wpipe_client_fd(wpipe_client *client);

/*
 * End all that waits on the client at this moment: wait returns 0, call,
 * send_wait and drain WPIPE_EWOKEN. When nobody waits, the next wait or call
 * ends so, or the next send_wait or drain that would have to wait. Several such
 * wakes count as one. Any thread; safe in a signal handler.
 */
WPIPE_API void wpipe_client_wake(wpipe_client *client);

/*
 * As wpipe_server_shutdown, with one peer: send nothing more, wait until the
 * server has read everything, end the connection. No reconnecting; wait
 * returns WPIPE_ENOTCONN from then on, and close only frees. Any thread.
 */
WPIPE_API int wpipe_client_shutdown(wpipe_client *client, int timeout_ms,
                                    wpipe_lost *ret_lost);

/*
 * Hand over what send accepted, end the connection in good order, free. Waits
 * for a server that has yet to read, but for at most options.linger_ms; if
 * something was thrown away then the server is told so (reason LOST).
 */
WPIPE_API void wpipe_client_close(wpipe_client *client);

/* ---- typed messages over servers and clients --------------------------- */

/* Encode and send. Errors: those of encode and of send. */
WPIPE_API int wpipe_server_send_message(wpipe_server *server, wpipe_id to,
                                        const wpipe_message *message);
WPIPE_API int wpipe_client_send_message(wpipe_client *client,
                                        const wpipe_message *message);

/* Decode event->data; the views point into it. Errors: those of decode. */
WPIPE_API int wpipe_event_message(const wpipe_event *event,
                                  wpipe_message *ret_message);

/* ---- what is there ------------------------------------------------------ */

/* One pipe, as its server tells. */
typedef struct wpipe_pipe_facts {
    size_t size;      /* set by the caller */
    int type;         /* WPIPE_BYTE or WPIPE_MESSAGE */
    int access;       /* WPIPE_ACCESS_* */
    uint32_t clients; /* connected now */
    uint32_t max_clients;
    uint64_t total_clients; /* connected so far */
    uint64_t refused;       /* not let in so far */
    wpipe_peer owner;       /* the server's process */
} wpipe_pipe_facts;

/* One connection of a pipe. */
typedef struct wpipe_link_facts {
    size_t size; /* set in the first element by the caller */
    wpipe_id id;
    wpipe_peer peer;
    int shared; /* as wpipe_stream_facts.shared */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t queued; /* bytes waiting in the server for this client */
} wpipe_link_facts;

/*
 * Call `each` for every pipe name that this user can see, in no order; a
 * non-zero return of it ends the list. `where` is the directory it lies in.
 *
 * Returns how many were named. Errors: WPIPE_EACCES (our private directory is
 *     not ours or not safe), WPIPE_ESYSTEM, WPIPE_ENOMEM.
 */
WPIPE_API int wpipe_list(int (*each)(const char *name, const char *where,
                                     void *user),
                         void *user);

/* A socket at a foreign door, as far as can be told without its server. */
typedef struct wpipe_foreign_facts {
    size_t size;      /* of what was filled in */
    const char *path; /* where it stands; valid during the call */
    uint32_t uid;     /* owner and mode of the file */
    uint32_t mode;
    int listening;    /* 1 somebody listens, 0 nobody that we can see, -1 not
                         to be known */
    int64_t pid;      /* a process of our own user that holds it, or 0 */
    char program[64]; /* its executable */
} wpipe_foreign_facts;

/*
 * Call `each` for every CoreFxPipe_ socket in the directory for temporary
 * files; a non-zero return of it ends the list. Nobody is connected to.
 *
 * Returns how many were named. Errors: WPIPE_ESYSTEM, WPIPE_ENOMEM,
 *     WPIPE_ELIMIT.
 */
WPIPE_API int wpipe_list_foreign(int (*each)(const char *name,
                                             const wpipe_foreign_facts *facts,
                                             void *user),
                                 void *user);

/*
 * Ask the server of `name` about itself and up to `max_links` of its
 * connections. Only its own user and root get an answer.
 *
 * Returns how many connections were filled in. Errors: as wpipe_connect
 *     (WPIPE_ENOTFOUND also when only a dead server's leftovers are there),
 *     WPIPE_EACCES.
 */
WPIPE_API int wpipe_inspect(const char *name, wpipe_pipe_facts *ret_pipe,
                            wpipe_link_facts *ret_links, size_t max_links,
                            int timeout_ms);

/*
 * Wait until a server owns `name`, without polling.
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENAME, WPIPE_EACCES.
 */
WPIPE_API int wpipe_wait_for(const char *name, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
