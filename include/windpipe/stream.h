/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: one end of a pipe, with calls that wait.
 *
 * A listener owns a name; accept returns one stream per client; connect
 * returns the client's end. Both ends read, write, peek and drain, and each
 * call has a timeout. The semantics are those of Windows named pipes and .NET's
 * System.IO.Pipes; where they differ from ours the comment says so.
 *
 * Threads: one thread may read while another one writes on the same stream;
 *     any thread may call wake; close only when no call is running.
 *     A listener may be used by one thread at a time; any may call wake.
 * Fork: a child may only close what its parent opened.
 * Memory: you close what you open; close accepts NULL, never blocks or fails.
 * Timeouts: milliseconds, WPIPE_FOREVER, or 0 to not wait at all; another
 *     negative number is WPIPE_EINVAL from every call.
 * Wakes: WPIPE_EWOKEN from a call that waits means wake, or with
 *     WPIPE_WAIT_SIGNALS that a signal handler ran (error.h).
 */
#ifndef WINDPIPE_STREAM_H
#define WINDPIPE_STREAM_H

#include <windpipe/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wpipe_listener wpipe_listener;
typedef struct wpipe_stream wpipe_stream;

/* One piece of a gathered write or a scattered read. */
typedef struct wpipe_piece {
    void *data;
    size_t size;
} wpipe_piece;

/* What wpipe_stream_info returns. */
typedef struct wpipe_stream_facts {
    size_t size;        /* set by the caller */
    int type;           /* WPIPE_BYTE or WPIPE_MESSAGE: of the pipe */
    int direction;      /* of this end */
    int shared;         /* 0 on the socket, 1 when our writes go through
                               shared memory, 2 when both directions do */
    uint32_t buffer_in; /* bytes of the ring in each direction */
    uint32_t buffer_out;
    uint64_t messages_in; /* whole messages, and bytes, so far */
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
} wpipe_stream_facts;

/*
 * Take the pipe name `name` and listen on it. NULL makes a name that nobody
 * else has; wpipe_listener_name returns it. \\.\pipe\x means x.
 *
 * With options.foreign it also listens on a foreign socket, or only on that
 * one; with WPIPE_FOREIGN_ONLY a name that begins with '/' is the path of the
 * socket.
 *
 * Every five seconds the listener looks, in wpipe_accept, whether clients can
 * still find it. If its files were removed, it publishes its name again, unless
 * another server has taken it; then it tries again each second.
 *
 * Returns 0 and the listener in *ret.
 * Errors: WPIPE_ENAME (empty, over WPIPE_NAME_MAX bytes, with '/' or control
 *     characters, "." or "..", "anonymous"; the path of a foreign socket is
 *     over 107 bytes, or over 90 with options.second_pipe), WPIPE_EINVAL
 *     (options), WPIPE_EINUSE (error_text names the holder), WPIPE_EACCES (the
 *     directory is not ours or not safe, or its path is not absolute; a file
 *     that we must not remove is at the path of the foreign socket),
 *     WPIPE_ENOTSUP (access is wider than this user, and there is no shared
 *     directory), WPIPE_ENOMEM, WPIPE_ELIMIT, WPIPE_ESYSTEM.
 * Does not block; except up to 100 ms when a dead server's foreign socket has
 * to be replaced, and up to 63 ms while somebody else holds the lock of the
 * name and nobody listens there, as wpipe_prune does for a moment.
 * Source: CreateNamedPipe; NamedPipeServerStream(name).
 */
WPIPE_API int wpipe_listen(wpipe_listener **ret, const char *name,
                           const wpipe_options *options);

/*
 * Socket activation: find the listening sockets that a service manager, such as
 * systemd, has passed to this process for the pipe `name`, and set
 * options->listen_fd and options->foreign_fd to them. The environment tells of
 * them (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). A socket is for `name` if its
 * file is called NAME.pipe (then it is the native one) or CoreFxPipe_NAME, if
 * its path is `name`, or if its FileDescriptorName= is `name`. If only a
 * foreign socket is found, and options->foreign does not ask for one,
 * options->foreign becomes WPIPE_FOREIGN_ONLY; if both are, WPIPE_FOREIGN_ALSO.
 *
 * The file of the socket, its mode and its directory are the manager's: no lock
 * is taken, and nothing is removed at the end. options.access decides as ever
 * whom the server lets in. Clients take the user who made the socket for the
 * server's. The server works with copies of the descriptors; they are
 * the caller's to close. All passed descriptors become close-on-exec.
 *
 * Returns how many were found; 0 when none were passed to this process.
 * Errors: WPIPE_ENOTFOUND (some were, but none is for `name`), WPIPE_EINVAL (no
 *     options, or options.size is too small). Does not block. Source:
 *     sd_listen_fds(3).
 */
WPIPE_API int wpipe_options_inherit(wpipe_options *options, const char *name);

/*
 * Accept the next client. A client that is refused, fails the handshake or
 * leaves before its turn does not end the call. A stream counts against
 * max_clients until it is closed.
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_EAGAIN (max_clients streams are
 *     open and timeout_ms is 0), WPIPE_ENOMEM, WPIPE_ESYSTEM (the system
 *     refuses a call that it takes; clients wait, and the next accept tries
 *     again).
 * Blocks up to timeout_ms. Source: ConnectNamedPipe, WaitForConnection.
 */
WPIPE_API int wpipe_accept(wpipe_listener *listener, wpipe_stream **ret,
                           int timeout_ms);

/* The name without prefix; owned by the listener, valid until its close. */
WPIPE_API const char *wpipe_listener_name(const wpipe_listener *listener);

/*
 * A descriptor for poll. It is readable when accept may have something to do,
 * or when a deadline of the listener (handshake_ms) has passed. When it is
 * readable, call accept with timeout 0 until WPIPE_ETIMEDOUT. The listener
 * owns the descriptor; every call returns the same one. Call it from the
 * thread that accepts.
 * Errors: WPIPE_EINVAL, WPIPE_ESTATE (opened before a fork), WPIPE_ESYSTEM.
 */
WPIPE_API intptr_t wpipe_listener_fd(wpipe_listener *listener);

/* End a running wpipe_accept, or the next one, with WPIPE_EWOKEN. Any thread;
 * safe in a signal handler. */
WPIPE_API void wpipe_listener_wake(wpipe_listener *listener);

/* Stop listening and release the name. Accepted streams stay open. */
WPIPE_API void wpipe_listener_close(wpipe_listener *listener);

/*
 * Connect to the pipe `name`. Waits up to timeout_ms for its server to appear
 * (without polling), for a free instance, and for the server's answer.
 *
 * Tries the native socket first, then the foreign one (options.foreign). With
 * options.second_pipe the server at the foreign socket sends the name of
 * another pipe; that one is connected to within the same timeout_ms.
 *
 * Returns 0 and the stream in *ret.
 * Errors when timeout_ms is over: WPIPE_ENOTFOUND (no server appeared),
 *     WPIPE_EBUSY (it stayed full), WPIPE_ETIMEDOUT (it did not answer). .NET
 *     throws one TimeoutException for these three.
 * Other errors: WPIPE_EREFUSED (the server refused us), WPIPE_EACCES (access
 *     denied, or the server runs as a user that we do not trust),
 *     WPIPE_EVERSION, WPIPE_EPROTO (also: what it sent is not the name of a
 *     second pipe), WPIPE_ESTATE (message reading of a byte pipe, conflicting
 *     directions), WPIPE_ENAME, WPIPE_EINVAL, WPIPE_ENOMEM, WPIPE_ELIMIT,
 *     WPIPE_ESYSTEM, WPIPE_EWOKEN (a signal handler ran, with
 *     WPIPE_WAIT_SIGNALS).
 * Blocks up to timeout_ms. No option shortens or prolongs that: connect_ms is
 * for wpipe_client_open only.
 * Source: CreateFile + WaitNamedPipe, NamedPipeClientStream.Connect.
 */
WPIPE_API int wpipe_connect(wpipe_stream **ret, const char *name,
                            const wpipe_options *options, int timeout_ms);

/*
 * Read. On a byte stream: waits until anything has arrived and returns it, up
 * to `size` bytes. When reading messages: returns one message. If `buf` is too
 * small, or the timeout expires in the middle of a message,
 * wpipe_stream_message_complete() is 0 and the next read returns the rest.
 *
 * Returns the bytes read; 0 is an empty message, or size was 0.
 * Errors: WPIPE_EOF (the peer closed or finished and all is read),
 *     WPIPE_EDIED (it died, all is read), WPIPE_EDISCONNECTED,
 *     WPIPE_EABORTED (the writer withdrew this message), WPIPE_EPROTO,
 *     WPIPE_EMSGSIZE (a message over options.max_message; the connection is
 *     over), WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_ESTATE (this end is
 *     WPIPE_OUT).
 * Blocks up to timeout_ms. Source: ReadFile; ERROR_MORE_DATA is "message not
 * complete", ERROR_BROKEN_PIPE is WPIPE_EOF.
 */
WPIPE_API int64_t wpipe_read(wpipe_stream *stream, void *buf, size_t size,
                             int timeout_ms);

/* As wpipe_read, into `count` buffers (at most 1024), one after the other. */
WPIPE_API int64_t wpipe_readv(wpipe_stream *stream, const wpipe_piece *pieces,
                              int count, int timeout_ms);

/*
 * 1 when the last read reached the end of a message, 0 when more of it is to
 * be read; always 1 when reading bytes. Source: PipeStream.IsMessageComplete.
 */
WPIPE_API int wpipe_stream_message_complete(const wpipe_stream *stream);

/*
 * Write. On a message pipe one call writes one message, which may be empty. It
 * is written whole or not at all: after WPIPE_ETIMEDOUT or WPIPE_EWOKEN the
 * peer never gets it (a peer that had begun to read it gets WPIPE_EABORTED).
 * On a byte pipe, if some bytes were written before the error, their count is
 * returned instead.
 *
 * Returns the bytes written.
 * Errors: WPIPE_EPIPE (the peer closed), WPIPE_EDIED, WPIPE_EDISCONNECTED,
 *     WPIPE_EMSGSIZE (over the peer's max_message; nothing is written),
 *     WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_ESTATE (this end is WPIPE_IN
 *     or has finished),
 *     WPIPE_EPROTO, WPIPE_ENOMEM.
 * Blocks up to timeout_ms while the peer's buffer is full, or for the server's
 * answer (WPIPE_CONNECT_EARLY). Source: WriteFile; ERROR_NO_DATA is
 * WPIPE_EPIPE.
 */
WPIPE_API int64_t wpipe_write(wpipe_stream *stream, const void *buf,
                              size_t size, int timeout_ms);

/* As wpipe_write, from `count` buffers (at most 1024), as one message. */
WPIPE_API int64_t wpipe_writev(wpipe_stream *stream, const wpipe_piece *pieces,
                               int count, int timeout_ms);

/* wpipe_call.kind: whether a message is part of a call. */
enum wpipe_call_kind {
    WPIPE_CALL_NONE = 0,    /* a plain message */
    WPIPE_CALL_REQUEST = 1, /* from wpipe_client_call, wpipe_server_call and
                               their asynchronous forms */
    WPIPE_CALL_REPLY = 2    /* from wpipe_server_reply, wpipe_client_reply */
};

/* The call that a message is part of. A reply has its request's number. */
typedef struct wpipe_call {
    int kind;         /* WPIPE_CALL_* */
    uint64_t request; /* not 0 for a request or a reply; else ignored */
} wpipe_call;

/*
 * For programs that forward messages: tells whether the message that was read
 * last, in whole or in part, is a request, a reply or neither. On a byte pipe
 * it is always WPIPE_CALL_NONE.
 *
 * Returns 0 and kind and number in *ret_call. Errors: WPIPE_EINVAL. Does not
 *     block; call it from the thread that reads.
 */
WPIPE_API int wpipe_stream_call(const wpipe_stream *stream,
                                wpipe_call *ret_call);

/*
 * As wpipe_write, but marks the message as a request or a reply. Either end
 * may write both; its peer may be a server or a client, which answers requests
 * with wpipe_server_reply or wpipe_client_reply, and makes calls of its own.
 * Who writes a request chooses its number; the numbers of the two directions
 * have nothing to do with each other. A reply that arrives before this end has
 * written any request is WPIPE_EPROTO at the next read; and so it is at the
 * peer.
 *
 * Returns the bytes written. Errors: those of wpipe_write; WPIPE_EINVAL
 *     (unknown kind, or number 0), WPIPE_ESTATE (in the middle of a message),
 *     WPIPE_ENOTSUP (a byte pipe, or a peer that is not windpipe; nothing is
 *     written).
 */
WPIPE_API int64_t wpipe_write_call(wpipe_stream *stream, const wpipe_call *call,
                                   const void *buf, size_t size,
                                   int timeout_ms);

/*
 * Half-close: the peer reads what was written and then gets WPIPE_EOF; this
 * end can still read. Later writes return WPIPE_ESTATE. Finishing twice is
 * allowed.
 *
 * Returns 0. Errors: as wpipe_write. Does not block.
 */
WPIPE_API int wpipe_finish(wpipe_stream *stream);

/*
 * Copy unread bytes without removing them: up to `size`, and on a message pipe
 * of the first message only. *ret_available is the number of all unread bytes;
 * *ret_left_in_message is how many bytes of the first message follow those
 * copied (0 on a byte pipe). Any output may be NULL. Empty messages do not
 * show.
 *
 * Returns the bytes copied.
 * Errors: WPIPE_EOF, WPIPE_EDIED, WPIPE_EDISCONNECTED once nothing is left,
 *     WPIPE_ESTATE (this end is WPIPE_OUT), WPIPE_EPROTO.
 * Does not block. Source: PeekNamedPipe; on a byte pipe Windows reports
 * -n as the rest of the message, we report 0.
 */
WPIPE_API int64_t wpipe_peek(wpipe_stream *stream, void *buf, size_t size,
                             size_t *ret_available,
                             size_t *ret_left_in_message);

/*
 * Write one message and read the answer, on a duplex message pipe.
 *
 * Returns the bytes of the answer; wpipe_stream_message_complete() tells if all
 *     of it fitted.
 * Errors: WPIPE_EBUSY (there is unread data, read it first; nothing is
 *     written),
 *     WPIPE_ESTATE (not a duplex message pipe read by messages), and those of
 *     wpipe_write and wpipe_read. timeout_ms is for both together.
 * Source: TransactNamedPipe.
 */
WPIPE_API int64_t wpipe_transact(wpipe_stream *stream, const void *out,
                                 size_t out_size, void *in, size_t in_size,
                                 int timeout_ms);

/*
 * Wait until the peer has read everything that was written, empty messages
 * included.
 *
 * Returns 0. Errors: WPIPE_EPIPE (it closed with data unread), WPIPE_EDIED,
 *     WPIPE_EDISCONNECTED, WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_ESTATE.
 * Blocks up to timeout_ms. Source: FlushFileBuffers, WaitForPipeDrain.
 */
WPIPE_API int wpipe_drain(wpipe_stream *stream, int timeout_ms);

/*
 * Server end only: end the connection and discard what is unread in both
 * directions; the peer then gets WPIPE_EDISCONNECTED. Afterwards the stream can
 * only be closed.
 *
 * Returns 0. Errors: WPIPE_ESTATE (a connecting end), WPIPE_EDISCONNECTED
 *     (the second time). Does not block. Source: DisconnectNamedPipe.
 */
WPIPE_API int wpipe_disconnect(wpipe_stream *stream);

/*
 * Zero-copy writing: reserve `size` bytes of the outgoing ring, fill them,
 * commit. One reservation at a time; you may commit fewer bytes. With more = 1
 * the next begin or write continues the same message.
 *
 * begin: returns 0 and the memory in *ret_data, `size` bytes, ours until
 *     commit or abort. Its address is a multiple of 8, and of 64 when `size`
 *     is 2048 or more, so that a copy into it is fast. Errors:
 *     WPIPE_EMSGSIZE (over a quarter of the ring, or over 10 KiB while the
 *     connection is on its socket: see begin_part; or over the peer's
 *     max_message), and those of wpipe_write.
 * begin_part: reserves as much of `size` bytes as one reservation may have
 *     now, at least 1 of those that are not 0: *ret_size bytes. The size of
 *     the ring and the state of the connection need not be known: commit with
 *     more = 1 and begin a part of the rest, until nothing is left. Errors: as
 *     begin, but WPIPE_EMSGSIZE only if `size`, with the parts committed
 *     before, is over the peer's max_message.
 * commit: returns the bytes committed. Errors: WPIPE_ESTATE (nothing begun),
 *     WPIPE_EINVAL (more than reserved), and those of wpipe_write. It may have
 *     to wait as long as begin was allowed to: for the peer to read, if the
 *     connection moved to shared memory meanwhile; and with more = 1 and
 *     WPIPE_CONNECT_EARLY for the server's answer, which tells what kind of
 *     pipe this is. WPIPE_ETIMEDOUT keeps the reservation: try again with the
 *     same size, or abort.
 * abort: releases the reservation. If parts of the message were already
 *     committed with more = 1, the whole message is withdrawn.
 * On a connection that is still on its socket the memory is a private copy.
 */
WPIPE_API int wpipe_write_begin(wpipe_stream *stream, size_t size,
                                void **ret_data, int timeout_ms);
WPIPE_API int wpipe_write_begin_part(wpipe_stream *stream, size_t size,
                                     void **ret_data, size_t *ret_size,
                                     int timeout_ms);
WPIPE_API int64_t wpipe_write_commit(wpipe_stream *stream, size_t size,
                                     int more);
WPIPE_API void wpipe_write_abort(wpipe_stream *stream);

/*
 * Zero-copy reading: returns a pointer to the next unread bytes in the ring.
 * They never cross a message boundary. After end,
 * wpipe_stream_message_complete() tells if the message ended with them.
 *
 * begin: returns 0, the bytes in *ret_data, their number in *ret_size; they
 *     stay valid until end. Errors: as wpipe_read; WPIPE_ESTATE (begin was
 *     called already).
 * end: marks the first `used` bytes as read. Returns 0. Errors: WPIPE_ESTATE
 *     (no begin), WPIPE_EINVAL (`used` is more than begin returned).
 * The memory is the peer's ring if the peer is the same user, or with
 * WPIPE_TRUST_PEER; a hostile peer could then change it while you read it.
 * Otherwise it is a copy.
 */
WPIPE_API int wpipe_read_begin(wpipe_stream *stream, const void **ret_data,
                               size_t *ret_size, int timeout_ms);
WPIPE_API int wpipe_read_end(wpipe_stream *stream, size_t used);

/* Who is at the other end. Returns 0. Errors: WPIPE_EINVAL. */
WPIPE_API int wpipe_stream_peer(const wpipe_stream *stream,
                                wpipe_peer *ret_peer);

/* Facts and counters of the stream. Returns 0. Errors: WPIPE_EINVAL,
 * WPIPE_ESTATE (in a forked child). */
WPIPE_API int wpipe_stream_info(const wpipe_stream *stream,
                                wpipe_stream_facts *ret_facts);

/*
 * A descriptor for another event loop: level-triggered, readable while
 * anything is unread or the connection is over. Poll it for reading, then read
 * with timeout 0 until WPIPE_ETIMEDOUT. The stream owns the descriptor; every
 * call returns the same one.
 *
 * Returns the descriptor (a HANDLE on Windows). Errors: WPIPE_ELIMIT,
 *     WPIPE_ENOMEM. Call it from the thread that reads.
 */
WPIPE_API intptr_t wpipe_stream_fd(wpipe_stream *stream);

/*
 * End every call that waits on the stream at this moment (read, write, drain,
 * transact and so on) with WPIPE_EWOKEN. If none waits, the next call that
 * would have to wait ends that way. Several wakes before it count as one. Any
 * thread; safe in a signal handler.
 * With a reader and a writer a wake may find only one of them waiting, and the
 * other waits later. To end both, let each wake the stream again when it ends.
 */
WPIPE_API void wpipe_stream_wake(wpipe_stream *stream);

/* Close this end. The peer reads what was written, then WPIPE_EOF. */
WPIPE_API void wpipe_stream_close(wpipe_stream *stream);

/* ---- anonymous pipes: between a parent and a child ----------------------- */

/*
 * Make a pipe without a name. This process gets one end; the other end is for
 * a child. `direction` is that of this process's end: WPIPE_OUT, WPIPE_IN, or
 * WPIPE_DUPLEX. The child gets a short string, a descriptor number, and opens
 * it with wpipe_anonymous_open.
 *
 * With options.foreign = WPIPE_FOREIGN_ONLY it is a system pipe (one direction
 * only), which a .NET, Node, Python or shell child can use; options.framing
 * cuts its bytes into messages. Otherwise both ends must be windpipe, and the
 * pipe has all features of a named one.
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_ENOTSUP (a duplex system pipe, or messages on one without
 *     options.framing), WPIPE_EINVAL, WPIPE_ELIMIT, WPIPE_ENOMEM.
 * Does not block. Source: AnonymousPipeServerStream.
 */
WPIPE_API int wpipe_anonymous(wpipe_stream **ret, int direction,
                              const wpipe_options *options);

/*
 * The string for the child: a decimal number, at most 11 bytes with its
 * terminator. After this call every child inherits the child's end.
 *
 * Returns its length. Errors: WPIPE_EINVAL (`size` too small), WPIPE_ESTATE
 *     (not an anonymous stream, or already released).
 * Source: GetClientHandleAsString.
 */
WPIPE_API int wpipe_anonymous_client_string(wpipe_stream *stream, char *buf,
                                            size_t size);

/*
 * Close this process's copy of the child's end. Call it after the child was
 * started; until then this process cannot notice that the child has ended.
 * Calling it twice is allowed; wpipe_stream_close does it, too.
 * Returns 0. Errors: WPIPE_EINVAL. Source: DisposeLocalCopyOfClientHandle.
 */
WPIPE_API int wpipe_anonymous_release_client(wpipe_stream *stream);

/*
 * Child: open the end that `string` names; from then on the stream owns the
 * descriptor. A system pipe, or a socket that is not windpipe's, is a stream of
 * bytes, or cut into messages by options.framing (for a socket set
 * options.foreign = WPIPE_FOREIGN_ONLY).
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_EINVAL (not a number, not a pipe or socket; the descriptor is
 *     left open), WPIPE_ETIMEDOUT (the other end sent nothing; it is not
 *     windpipe), WPIPE_EWOKEN (a signal handler ran, with WPIPE_WAIT_SIGNALS),
 *     WPIPE_EPROTO, WPIPE_ESTATE (the direction does not fit), WPIPE_ENOTSUP
 *     (shared memory is required and the parent, or the system, refuses it),
 *     WPIPE_ENOMEM.
 * Waits up to five seconds (options.handshake_ms) for the parent's handshake,
 * which a windpipe parent has sent already.
 * Source: AnonymousPipeClientStream(direction, string).
 */
WPIPE_API int wpipe_anonymous_open(wpipe_stream **ret, int direction,
                                   const char *string,
                                   const wpipe_options *options);

/*
 * Start the program `arguments[0]` (looked up in PATH) with `arguments`, which
 * end with NULL. An argument "{n}", such as "{0}", is replaced by the string of
 * stream n of the `count` anonymous streams (at most 16): in the child the end
 * of stream n is descriptor 3 + n, whatever its number is here. The child
 * inherits these ends, standard input, output and error, and nothing else.
 * This process's copies are released.
 *
 * Returns 0 and the process id in *ret_pid.
 * Errors: WPIPE_ENOTFOUND (no such program), WPIPE_EACCES, WPIPE_EINVAL (an
 *     index without a stream), WPIPE_ESTATE, WPIPE_ENOMEM, WPIPE_ELIMIT.
 */
WPIPE_API int wpipe_spawn(int64_t *ret_pid, const char *const *arguments,
                          wpipe_stream *const *streams, int count);

/*
 * Wait for a spawned program to end.
 * Returns its exit status, 128 + n when signal n ended it. Errors:
 *     WPIPE_ETIMEDOUT, WPIPE_EINVAL (not a child of ours).
 */
WPIPE_API int wpipe_reap(int64_t pid, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
