/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe: named pipes with messages and events.
 *
 * A server owns a name and talks to many clients; a client talks to one
 * server. You ask for events: wpipe_server_wait() and wpipe_client_wait()
 * return one event at a time, on the thread that calls. There are no hidden
 * threads, and no callbacks unless you call wpipe_server_start().
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
 * Threads: one thread waits; every other call may come from any thread, but
 *     close only when no call is running.
 * Memory: event data stays valid until the next wait on the same object.
 *     Sends copy. You close what you open; close(NULL) is allowed.
 *     An event is a plain value and may be copied. Only what `data` points to
 *     goes with the next wait; a reply uses `from` and `request` alone, so a
 *     call may be answered from its copy at any later time, on any thread.
 * Fork: a child may only close what its parent opened.
 * Timeouts: as in stream.h.
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

/*
 * The id of a connection. No id is used twice; 0 is no connection. Ids are not
 * dense, with options.threads > 1 least of all: do not index an array with one,
 * use wpipe_server_set_user.
 */
typedef uint64_t wpipe_id;

/* Every client: for wpipe_server_drain. */
#define WPIPE_ALL ((wpipe_id)-1)

/* event.lost_messages, event.lost_bytes: something was lost, but the system
 * cannot tell how much. */
#define WPIPE_LOST_UNKNOWN UINT64_MAX

enum wpipe_event_type {
    WPIPE_EVENT_CONNECTED = 1,    /* from: a new connection */
    WPIPE_EVENT_MESSAGE = 2,      /* from, data, size; request if a call */
    WPIPE_EVENT_DISCONNECTED = 3, /* from, reason, lost_messages, lost_bytes */
    WPIPE_EVENT_REFUSED = 4,      /* server: peers were refused; reason,
                                     error, count. The first is told at once;
                                     those of the next quarter of a second, if
                                     alike, are one event */
    WPIPE_EVENT_WRITABLE = 5,     /* from: its queue has room after EAGAIN */
    WPIPE_EVENT_SKIPPED = 6,      /* from: a broadcast skipped this client */
    WPIPE_EVENT_FINISHED = 7,     /* from: half-closed: it will send nothing
                                     more, but it still reads */
    WPIPE_EVENT_REPLY = 8,        /* from, request: the end of a call that
                                     wpipe_server_request or
                                     wpipe_client_request sent. error 0: the
                                     answer, in data and size. Otherwise there
                                     is none: WPIPE_ETIMEDOUT, WPIPE_ENOTCONN
                                     (the connection ended, or the peer sends
                                     nothing more), WPIPE_ENOMEM */
    WPIPE_EVENT_NAME = 9          /* server: its name was removed; error: see
                                     wpipe_server_wait */
};

/* event.reason of DISCONNECTED and REFUSED */
enum wpipe_reason {
    WPIPE_REASON_CLOSED = 0,   /* the peer closed */
    WPIPE_REASON_DIED = 1,     /* the peer's process ended without closing */
    WPIPE_REASON_PROTOCOL = 2, /* the peer broke the protocol */
    WPIPE_REASON_SLOW = 3,     /* the peer did not read fast enough; or, if
                                  error is WPIPE_ETIMEDOUT, it did not finish
                                  a message in options.message_ms */
    WPIPE_REASON_KICKED = 4,   /* server: we kicked the client; client: the
                                  server kicked us, or called
                                  wpipe_disconnect */
    WPIPE_REASON_DENIED = 5,   /* REFUSED: the peer may not connect */
    WPIPE_REASON_FULL = 6,     /* REFUSED: max_clients, or out of descriptors */
    WPIPE_REASON_TOO_BIG = 7,  /* a message over max_message */
    WPIPE_REASON_MEMORY = 8,   /* we had no memory for its messages */
    WPIPE_REASON_LOST = 9,     /* the peer closed, and discarded messages
                                  that it had queued for us */
    WPIPE_REASON_SYSTEM = 10   /* the system refused us a call that this takes,
                                  as a filter of system calls does; os_error */
};

typedef struct wpipe_event {
    int type;         /* WPIPE_EVENT_* */
    int reason;       /* WPIPE_REASON_* */
    wpipe_id from;    /* the connection it is about */
    const void *data; /* MESSAGE: the whole message; valid until the next
                         wait. REPLY: the answer */
    size_t size;
    uint64_t request;       /* MESSAGE: not 0 if it is a call; answer it with
                               wpipe_server_reply or wpipe_client_reply.
                               REPLY: the number of our call */
    uint64_t lost_messages; /* DISCONNECTED: messages that send had accepted and
                               the peer had not read; or WPIPE_LOST_UNKNOWN */
    uint64_t lost_bytes;    /* the same in bytes */
    int os_error;           /* the system's errno, or 0 */
    int error;              /* the WPIPE_E* behind the reason, or 0. REPLY: why
                               there is no answer */
    uint64_t count;         /* REFUSED: how many, all for the same reason */
    void *user;             /* server: what wpipe_server_set_user gave this
                               client, or NULL; in DISCONNECTED, too */
    uint64_t reserved[2];
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
 * Wait for the next event. A problem with one peer, or a full descriptor
 * table, is reported as an event and never as an error.
 *
 * Wait also looks every five seconds whether clients can still find the server.
 * If its files were removed (by a cleaner of temporary files, by hand, or with
 * a runtime directory that ends with the last login), it publishes the name
 * again in the same directory. The event NAME tells: with error 0 the name had
 * been lost and is the server's again; any other error says why it is not, for
 * example WPIPE_EINUSE: another server has taken it. Wait then tries again each
 * second, and a NAME event with error 0 follows when that has worked.
 * Connections are not affected.
 *
 * Returns 1 and the event; 0 after a wake, and always after a stop.
 * Errors: WPIPE_ETIMEDOUT, WPIPE_EWOKEN (a signal handler ran, with
 *     WPIPE_WAIT_SIGNALS), WPIPE_EINVAL, WPIPE_ENOMEM, WPIPE_ESYSTEM,
 *     WPIPE_ESTATE (another thread waits, or the handlers of
 *     wpipe_server_start get the events: always so with options.threads > 1).
 * Blocks up to timeout_ms.
 */
WPIPE_API int wpipe_server_wait(wpipe_server *server, wpipe_event *ret_event,
                                int timeout_ms);

/*
 * Send one message to one client. Never waits. What does not fit into the
 * client's ring goes to its send queue. The queue is limited by
 * options.queue_limit and by the client's share of options.memory_limit.
 *
 * 0 means accepted: the message arrives whole, once and in order if the client
 * goes on reading; if not, its DISCONNECTED event counts it as lost. Every call
 * on this server moves queued messages to clients that have read: wait above
 * all, but also send, drain, shutdown and close. Queued messages are discarded
 * when the client goes, when you kick it, or when options.linger_ms is over in
 * close; the client then learns that something was lost. See docs/delivery.md.
 *
 * Returns 0. Errors: WPIPE_EAGAIN (the queue is full, or options.memory_limit
 *     is reached; a WRITABLE event follows), WPIPE_ENOTCONN (that client is
 *     gone, or disconnect, shutdown or close is ending it), WPIPE_EMSGSIZE,
 *     WPIPE_ENOMEM, WPIPE_EINVAL. Any thread.
 */
WPIPE_API int wpipe_server_send(wpipe_server *server, wpipe_id to,
                                const void *data, size_t size);

/*
 * As send, from `count` pieces (at most 1024), as one message. The pieces are
 * copied straight to where the message goes.
 *
 * Returns 0. Errors: as send; WPIPE_EINVAL also for `count` out of range, for a
 *     piece that is NULL and not empty, and for a sum of sizes that overflows.
 *     Any thread; never waits.
 */
WPIPE_API int wpipe_server_sendv(wpipe_server *server, wpipe_id to,
                                 const wpipe_piece *pieces, int count);

/*
 * As send, but waits up to timeout_ms for room in the queue.
 *
 * Returns 0. Errors: those of send except WPIPE_EAGAIN; WPIPE_ETIMEDOUT;
 *     WPIPE_ENOTCONN at once when that client goes; WPIPE_EWOKEN (it has to
 *     wait, and there was a wake or a stop, or a signal handler ran with
 *     WPIPE_WAIT_SIGNALS). Any thread.
 */
WPIPE_API int wpipe_server_send_wait(wpipe_server *server, wpipe_id to,
                                     const void *data, size_t size,
                                     int timeout_ms);

/*
 * Send one message to every client. A client whose queue is full is dropped
 * or skipped (options.slow_reader); an event tells of each.
 *
 * Returns how many clients it was queued for. Errors: WPIPE_ENOMEM,
 *     WPIPE_EMSGSIZE, WPIPE_EINVAL. Any thread; never waits.
 */
WPIPE_API int wpipe_server_broadcast(wpipe_server *server, const void *data,
                                     size_t size);

/*
 * Answer the call in `event` (event->request is not 0), now or later: a copy of
 * the event will do. If the call has timed out at the client, or was answered
 * before, the client discards the answer.
 *
 * Returns 0. Errors: as send (WPIPE_ENOTCONN: the connection on which the call
 *     came is over); WPIPE_EINVAL if the event is not a call. Any thread; never
 *     waits.
 */
WPIPE_API int wpipe_server_reply(wpipe_server *server, const wpipe_event *event,
                                 const void *data, size_t size);

/*
 * Call a client: send a request and return. The client gets it as a MESSAGE
 * whose `request` is not 0, and answers with wpipe_client_reply. Then, or after
 * timeout_ms, or when the connection ends, one REPLY event tells; its `request`
 * is the number in *ret_request. There is exactly one such event for each
 * request that was sent, and it comes before the DISCONNECTED of its client;
 * none comes after a stop or in close. Any number of calls may be open, also to
 * one client, and clients answer in any order. A late answer, a second one, or
 * one to a call that never was is discarded; a client that answers although it
 * was never called breaks the protocol. An event loop that polls
 * wpipe_server_fd is told of answers and timeouts, too.
 *
 * Each open call takes memory until it ends, so a client that answers nothing
 * is a reason for a timeout.
 *
 * Returns 0. Errors: as send (WPIPE_ENOTCONN also if the client will send
 *     nothing more); WPIPE_ENOTSUP (at once: the client is not windpipe, or it
 *     is a byte pipe; neither supports calls); WPIPE_EINVAL (also a negative
 *     timeout that is not WPIPE_FOREVER). Any thread, in handlers, too; never
 *     waits. *ret_request is set before any thread can get the event.
 */
WPIPE_API int wpipe_server_request(wpipe_server *server, wpipe_id to,
                                   const void *data, size_t size,
                                   int timeout_ms, uint64_t *ret_request);

/*
 * Call a client and wait for its answer. Another thread must be the one that
 * waits for events, or the handlers must run: the answer comes on the client's
 * connection, behind what the client sent before. Several threads may call at
 * once.
 *
 * Returns 1 and the answer as a MESSAGE event; its data stays valid until the
 *     next wpipe_server_call of the same thread. Errors: those of
 *     wpipe_server_request except WPIPE_EAGAIN (it waits for room);
 *     WPIPE_ETIMEDOUT; WPIPE_ENOTCONN at once when the client goes;
 *     WPIPE_EWOKEN (as send_wait); WPIPE_ESTATE (in a handler, or on the thread
 *     that waited for events last: nobody would take the answer; use
 *     wpipe_server_request there).
 * Blocks up to timeout_ms.
 */
WPIPE_API int wpipe_server_call(wpipe_server *server, wpipe_id to,
                                const void *data, size_t size,
                                wpipe_event *ret_answer, int timeout_ms);

/*
 * Give a client a pointer of yours: from now on it is `user` in each event of
 * that client, DISCONNECTED included, which is the last one. The library only
 * hands it out. It may be set until DISCONNECTED was returned, and again; it is
 * NULL at first. With options.threads > 1 set it in a handler of that client,
 * or it may miss an event that is being delivered.
 *
 * Returns 0. Errors: WPIPE_ENOTCONN (no such client, or its DISCONNECTED was
 *     returned), WPIPE_EINVAL. Any thread; never waits.
 */
WPIPE_API int wpipe_server_set_user(wpipe_server *server, wpipe_id who,
                                    void *user);

/*
 * Wait until `who`, or with WPIPE_ALL every client that is connected now, has
 * read everything that was sent to it. WPIPE_ALL ignores clients that leave
 * during the wait; their DISCONNECTED events count what they had not read.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENOTCONN (that client left before
 *     it had read all, or is not connected), WPIPE_EWOKEN (as send_wait),
 *     WPIPE_EINVAL, WPIPE_ESYSTEM.
 * Blocks up to timeout_ms. Any thread, but not in a handler.
 */
WPIPE_API int wpipe_server_drain(wpipe_server *server, wpipe_id who,
                                 int timeout_ms);

/*
 * Close one client's connection after it has read what was sent to it. From
 * now on nothing more is accepted for it or read from it. The connection ends
 * when the client has read everything, when it leaves, or when it has read
 * nothing for options.linger_ms. The client then gets WPIPE_EOF, or reason
 * CLOSED; if queued messages had to be discarded, it learns so as in
 * wpipe_server_close. A DISCONNECTED event (reason CLOSED, with the counts of
 * what was not read) follows here.
 *
 * Returns 0. Errors: WPIPE_ENOTCONN (gone, or already ending), WPIPE_EINVAL.
 * Never waits; any thread.
 */
WPIPE_API int wpipe_server_disconnect(wpipe_server *server, wpipe_id who);

/*
 * End one client's connection at once. What it has not read is discarded. A
 * DISCONNECTED event (reason KICKED) follows.
 *
 * Returns 0. Errors: WPIPE_ENOTCONN, WPIPE_EINVAL. Never waits; any thread.
 */
WPIPE_API int wpipe_server_kick(wpipe_server *server, wpipe_id who);

/* User, group and process of a client. Returns 0. Errors: WPIPE_ENOTCONN,
 * WPIPE_EINVAL. */
WPIPE_API int wpipe_server_peer(wpipe_server *server, wpipe_id who,
                                wpipe_peer *ret_peer);

/* How many clients are connected. */
WPIPE_API size_t wpipe_server_count(wpipe_server *server);

/* The server's name; owned by the server. */
WPIPE_API const char *wpipe_server_name(const wpipe_server *server);

/*
 * A descriptor for another event loop. It is readable when wait may have an
 * event or other work to do. Deadlines make it readable, too: handshake_ms,
 * message_ms, second pipes, linger_ms of a disconnect, the look at the name
 * every five seconds; for a client connect_ms and the next attempt to connect.
 * When it is readable, call wait with timeout 0 until WPIPE_ETIMEDOUT. It is
 * level-triggered, and stays readable after wpipe_server_stop. The server owns
 * it; every call returns the same one.
 * Errors: WPIPE_EINVAL, WPIPE_ESTATE (options.threads > 1).
 */
WPIPE_API intptr_t wpipe_server_fd(wpipe_server *server);

/*
 * End every call that waits on the server at this moment: wait returns 0;
 * call, send_wait and drain return WPIPE_EWOKEN. If none waits, the next wait
 * ends that way, or the next call, send_wait or drain that would have to wait.
 * Several wakes before it count as one. Shutdown and close are not affected.
 * Any thread; safe in a signal handler.
 */
WPIPE_API void wpipe_server_wake(wpipe_server *server);

/*
 * From now on, and for calls that wait at this moment, wait returns 0, and a
 * call, send_wait or drain that would have to wait returns WPIPE_EWOKEN. Stop
 * also ends the threads of wpipe_server_start and waits for them, unless it is
 * called on one of them. Any thread. It takes locks, so use wpipe_server_wake
 * in a signal handler.
 */
WPIPE_API void wpipe_server_stop(wpipe_server *server);

/*
 * Accept no more clients, and release the name: another server can take it at
 * once. Connected clients stay and are served as before, until they leave or
 * shutdown or close ends them. Clients that were not accepted yet are sent
 * away; if they may wait, they connect to the next server. With a socket that a
 * service manager keeps (options.listen_fd) they wait there.
 *
 * Returns 0, also the second time. Errors: WPIPE_EINVAL, WPIPE_ESTATE (in a
 *     forked child). Does not block. Any thread, also in handlers.
 */
WPIPE_API int wpipe_server_stop_accepting(wpipe_server *server);

/* The handlers of wpipe_server_start; any may be NULL. REPLY goes to other. */
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
 * Run the handlers on a thread of the library until wpipe_server_stop.
 * Handlers may send, kick and stop; they must not wait or close.
 *
 * With options.threads = N there are N threads, and each client belongs to one
 * of them. The events of one client come in order and one at a time; events of
 * different clients may run at the same time. REFUSED and NAME events come on
 * the first thread.
 *
 * Returns 0. Errors: WPIPE_ESTATE (started already, or stopped), WPIPE_ENOMEM,
 *     WPIPE_ELIMIT (the system allows no more threads), WPIPE_ESYSTEM.
 */
WPIPE_API int wpipe_server_start(wpipe_server *server,
                                 const wpipe_handlers *handlers, void *user);

/* What send had accepted and the peers had not read. */
typedef struct wpipe_lost {
    size_t size;       /* set to sizeof(wpipe_lost) by the caller */
    uint64_t messages; /* or WPIPE_LOST_UNKNOWN */
    uint64_t bytes;    /* the same */
    uint32_t peers;    /* how many peers had not read all */
} wpipe_lost;

/*
 * Stop as wpipe_server_stop does, release the name, accept no more sends, and
 * wait until every client has read what was sent to it, or is gone. Then close
 * every connection. From then on wait returns 0, sends return WPIPE_ENOTCONN,
 * and close only frees. Messages from clients that wait has not returned are
 * discarded; the clients' ends count them as lost.
 *
 * *ret_lost (which may be NULL) gets the counts of what was not read by clients
 * that left or were too slow. A client can still read what is in its ring,
 * although it is counted here; what was only queued is lost, and the client
 * learns so.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT (the connections are closed nevertheless),
 *     WPIPE_EINVAL, WPIPE_ESTATE (in a handler, or in a forked child).
 * Blocks up to timeout_ms. *ret_lost is filled in with 0 and with ETIMEDOUT.
 */
WPIPE_API int wpipe_server_shutdown(wpipe_server *server, int timeout_ms,
                                    wpipe_lost *ret_lost);

/*
 * Stop, release the name, deliver what send accepted, close every connection,
 * free. Waits up to options.linger_ms for clients that read too slowly. If
 * messages for a client are still queued then, they are discarded, and the
 * client learns so: WPIPE_EDISCONNECTED instead of WPIPE_EOF, or reason LOST.
 */
WPIPE_API void wpipe_server_close(wpipe_server *server);

/* ---- client ----------------------------------------------------------- */

/*
 * Connect to a server. Waits up to options.connect_ms, by default five minutes,
 * for the server to appear, to have a free place and to answer. With
 * WPIPE_CONNECT_LATER it returns at once and connects later; if that has not
 * worked after options.connect_ms, wait returns a DISCONNECTED event, whose
 * error says why. With WPIPE_RECONNECT the client connects again when it has
 * lost the server, and tries for ever.
 *
 * There is no hidden thread: wait, call, send_wait and drain connect, within
 * their own timeouts. After a loss the client tries at once. If there is no
 * server, it tries when one appears. If the server refuses, the client waits
 * before the next try: 10 ms at first, up to a second with each refusal. The
 * delay starts from 10 ms again after a connection that lasted a second. If
 * the name appears anew during a delay, at most a tenth of it remains.
 *
 * Returns 0 and the client in *ret. Errors: as wpipe_connect.
 */
WPIPE_API int wpipe_client_open(wpipe_client **ret, const char *name,
                                const wpipe_options *options);

/*
 * Wait for the next event: MESSAGE; REPLY; WRITABLE; FINISHED when the server
 * will send nothing more but still reads; DISCONNECTED once when the server is
 * lost; with RECONNECT or CONNECT_LATER also CONNECTED for each connection.
 * After the final DISCONNECTED wait returns WPIPE_ENOTCONN.
 *
 * The events of one connection come together: CONNECTED, its messages,
 * DISCONNECTED, then those of the next connection; also if other calls made
 * and lost the connections. Until wait is called, the client keeps messages up
 * to options.memory_limit, and the last 64 connections that have ended. If
 * there are more, it forgets the oldest one that wait has not announced, with
 * its messages.
 *
 * Returns 1 and the event; 0 after a wake. Errors: WPIPE_ETIMEDOUT,
 *     WPIPE_EWOKEN (a signal handler ran, with WPIPE_WAIT_SIGNALS),
 *     WPIPE_ENOTCONN, WPIPE_ESTATE (another thread waits), WPIPE_EINVAL,
 *     WPIPE_ENOMEM, WPIPE_ESYSTEM.
 */
WPIPE_API int wpipe_client_wait(wpipe_client *client, wpipe_event *ret_event,
                                int timeout_ms);

/*
 * Send one message. Never waits; queues up to options.queue_limit. What
 * "accepted" means, and when queued messages move, is as for wpipe_server_send.
 *
 * Returns 0. Errors: WPIPE_EAGAIN (the queue is full; a WRITABLE event
 *     follows), WPIPE_ENOTCONN (there is no connection, or it is shut down;
 *     the message is not kept), WPIPE_EMSGSIZE, WPIPE_ENOMEM. Any thread.
 */
WPIPE_API int wpipe_client_send(wpipe_client *client, const void *data,
                                size_t size);

/* As wpipe_server_sendv, to the server. Errors: as wpipe_client_send, and
 * WPIPE_EINVAL as there. Any thread; never waits. */
WPIPE_API int wpipe_client_sendv(wpipe_client *client,
                                 const wpipe_piece *pieces, int count);

/*
 * As send, but waits up to timeout_ms for room in the queue; and, with
 * RECONNECT or before the first connection of CONNECT_LATER, for a connection.
 * With timeout 0 it neither waits nor connects. After a loss it
 * goes on with the next connection, which wait may not have announced yet;
 * wpipe_client_send does not wait for one, it returns WPIPE_ENOTCONN.
 *
 * Returns 0. Errors: those of send except WPIPE_EAGAIN; WPIPE_ETIMEDOUT (the
 *     message was not sent; maybe there is no server); WPIPE_ENOTCONN at once
 *     if the server goes and the client does not reconnect; WPIPE_EWOKEN (a
 *     wake, or a signal handler ran with WPIPE_WAIT_SIGNALS). Any thread.
 */
WPIPE_API int wpipe_client_send_wait(wpipe_client *client, const void *data,
                                     size_t size, int timeout_ms);

/*
 * Send a request and wait for its answer. Several threads may call at once, and
 * one may wait meanwhile; the answers come in any order. Other events that
 * arrive are kept for wait, in order. A late answer is discarded; it never
 * answers another call.
 *
 * With RECONNECT, or before the first connection of CONNECT_LATER, it waits
 * for a connection, then sends the request. A request is never sent twice: if
 * the connection is lost after that, the server may or may not have done it.
 *
 * Returns 1 and the answer as a MESSAGE event; its data stays valid until the
 *     next wpipe_client_call of the same thread. Errors: WPIPE_ETIMEDOUT,
 *     WPIPE_ENOTCONN (the connection was lost before the answer, or the server
 *     has finished sending; or there is no connection and the client will make
 *     none), WPIPE_ENOTSUP (at once: the server is not windpipe, or it is a
 *     byte pipe; neither supports calls), WPIPE_EWOKEN (as send_wait), and
 *     those of send except WPIPE_EAGAIN (it waits for room).
 * Blocks up to timeout_ms. Any thread.
 */
WPIPE_API int wpipe_client_call(wpipe_client *client, const void *request,
                                size_t size, wpipe_event *ret_answer,
                                int timeout_ms);

/*
 * Send a request and return; one REPLY event tells the answer, that timeout_ms
 * is over, or that the connection ended. It is returned by wait, before the
 * DISCONNECTED of its connection, and carries the number in *ret_request. As
 * wpipe_server_request. It does not wait for a connection, and nothing is sent
 * again on the next one.
 *
 * Returns 0. Errors: as wpipe_client_send (WPIPE_ENOTCONN also if the server
 *     will send nothing more); WPIPE_ENOTSUP (as call); WPIPE_EINVAL. Any
 *     thread; never waits.
 */
WPIPE_API int wpipe_client_request(wpipe_client *client, const void *data,
                                   size_t size, int timeout_ms,
                                   uint64_t *ret_request);

/*
 * Answer a call of the server (a MESSAGE event whose request is not 0), now or
 * later: a copy of the event will do.
 *
 * Returns 0. Errors: as wpipe_client_send (WPIPE_ENOTCONN also if the call came
 *     on an earlier connection); WPIPE_EINVAL if the event is not a call. Any
 *     thread; never waits.
 */
WPIPE_API int wpipe_client_reply(wpipe_client *client, const wpipe_event *event,
                                 const void *data, size_t size);

/*
 * Wait until the server has read everything that was sent.
 *
 * If a connection is lost with something unread, drain returns WPIPE_ENOTCONN:
 * at once if it is running, else the next time it is called. It reports each
 * loss once, and not after wait has returned its DISCONNECTED event. With
 * RECONNECT, or before the first connection of CONNECT_LATER, drain otherwise
 * waits for a connection; so 0 also means that the client is connected.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENOTCONN, WPIPE_EWOKEN (as
 *     send_wait), WPIPE_EINVAL, WPIPE_ENOMEM. Any thread.
 */
WPIPE_API int wpipe_client_drain(wpipe_client *client, int timeout_ms);

/* User, group and process of the server. Returns 0. Errors: WPIPE_ENOTCONN,
 * WPIPE_EINVAL. */
WPIPE_API int wpipe_client_peer(wpipe_client *client, wpipe_peer *ret_peer);

/* As wpipe_server_fd. */
WPIPE_API intptr_t wpipe_client_fd(wpipe_client *client);

/*
 * End every call that waits on the client at this moment: wait returns 0; call,
 * send_wait and drain return WPIPE_EWOKEN. If none waits, the next wait or call
 * ends that way, or the next send_wait or drain that would have to wait.
 * Several wakes before it count as one. Any thread; safe in a signal handler.
 */
WPIPE_API void wpipe_client_wake(wpipe_client *client);

/*
 * As wpipe_server_shutdown, for one peer: accept no more sends, wait until the
 * server has read everything, close the connection, and do not reconnect. From
 * then on wait returns WPIPE_ENOTCONN, and close only frees. Any thread.
 */
WPIPE_API int wpipe_client_shutdown(wpipe_client *client, int timeout_ms,
                                    wpipe_lost *ret_lost);

/*
 * Deliver what send accepted, close the connection, free. Waits up to
 * options.linger_ms for a server that reads too slowly. If messages are still
 * queued then, they are discarded, and the server learns so (reason LOST).
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

/* ---- pipes on this machine ---------------------------------------------- */

/* Facts about one pipe; its server reports them. */
typedef struct wpipe_pipe_facts {
    size_t size;      /* set by the caller */
    int type;         /* WPIPE_BYTE or WPIPE_MESSAGE */
    int access;       /* WPIPE_ACCESS_* */
    uint32_t clients; /* connected now */
    uint32_t max_clients;
    uint64_t total_clients; /* connected so far */
    uint64_t refused;       /* refused so far */
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
    uint64_t queued;  /* bytes in the server's send queue for this client */
    uint64_t age_us;  /* microseconds since it was made. For a rate, inspect
                        twice: difference of counts by difference of ages */
    uint64_t idle_us; /* since a message went in either direction; to within
                         10 milliseconds, or as long as the server was busy
                         outside the library */
    uint64_t dropped; /* messages for it that a broadcast skipped */
} wpipe_link_facts;

/*
 * Call `each` for every pipe name that this user can see, in no order. A
 * non-zero return of `each` ends the list. `where` is the pipe's directory. A
 * name that is in two directories is named twice.
 *
 * Returns how often `each` was called. Errors: WPIPE_EACCES (our private
 *     directory is not ours or not safe), WPIPE_ESYSTEM, WPIPE_ENOMEM.
 */
WPIPE_API int wpipe_list(int (*each)(const char *name, const char *where,
                                     void *user),
                         void *user);

/* A foreign socket; what can be known without asking its server. */
typedef struct wpipe_foreign_facts {
    size_t size;      /* of what was filled in */
    const char *path; /* its path; valid during the call */
    uint32_t uid;     /* owner and mode of the file */
    uint32_t mode;
    int listening;    /* 1 a process listens, 0 none does, -1 unknown: it may,
                         for example in another network namespace */
    int64_t pid;      /* a process of our own user that has it open, or 0 */
    char program[64]; /* its executable */
} wpipe_foreign_facts;

/*
 * Call `each` for every CoreFxPipe_ socket in the directory for temporary
 * files. A non-zero return of `each` ends the list. It connects to no server.
 *
 * Returns how often `each` was called. Errors: WPIPE_ESYSTEM, WPIPE_ENOMEM,
 *     WPIPE_ELIMIT.
 */
WPIPE_API int wpipe_list_foreign(int (*each)(const char *name,
                                             const wpipe_foreign_facts *facts,
                                             void *user),
                                 void *user);

/* Room for the path of a foreign socket. */
enum {
    WPIPE_FOREIGN_PATH_SIZE = 108
};

/*
 * What can be known of the foreign socket of `name`, which may also be its
 * path, without asking its server. ret_facts->size is set by the caller. The
 * path goes into `ret_path` (`size` bytes, WPIPE_FOREIGN_PATH_SIZE is enough),
 * and ret_facts->path points there.
 *
 * Returns 0. Errors: WPIPE_ENOTFOUND (no socket there), WPIPE_ENAME,
 *     WPIPE_EINVAL, WPIPE_EACCES, WPIPE_ESYSTEM.
 */
WPIPE_API int wpipe_inspect_foreign(const char *name,
                                    wpipe_foreign_facts *ret_facts,
                                    char *ret_path, size_t size);

/*
 * Remove what killed servers of this user left: sockets and locks of pipes,
 * and foreign sockets in the directory for temporary files. A lock that can be
 * taken tells that a server is dead. A server that opens a name does the same
 * for that name. Calls `each` (may be NULL) for each name that was removed,
 * with the directory; a non-zero return of `each` ends it. Takes 100 ms for
 * each dead foreign socket, else it does not block.
 *
 * Returns how many names were removed. Errors: as wpipe_list.
 */
WPIPE_API int wpipe_prune(int (*each)(const char *name, const char *where,
                                      void *user),
                          void *user);

/*
 * Ask the server of `name` about itself and up to `max_links` of its
 * connections. It answers only its own user and root. Waits for the answer of
 * a server that is there, not for a server to come. If the server is in
 * another PID namespace, the process ids of its clients are 0: they would mean
 * other processes here.
 *
 * Returns how many connections were filled in. Errors: as wpipe_connect
 *     (WPIPE_ENOTFOUND also when only a dead server's leftovers are there),
 *     WPIPE_EACCES.
 */
WPIPE_API int wpipe_inspect(const char *name, wpipe_pipe_facts *ret_pipe,
                            wpipe_link_facts *ret_links, size_t max_links,
                            int timeout_ms);

/*
 * Wait until a server owns `name`: a windpipe server, or another one at the
 * foreign socket. A name that is a path is that socket's. It is woken when one
 * appears, and looks once a second besides. It connects to no foreign server.
 * Returns 0. Errors: WPIPE_ETIMEDOUT, WPIPE_ENAME, WPIPE_EACCES.
 */
WPIPE_API int wpipe_wait_for(const char *name, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
