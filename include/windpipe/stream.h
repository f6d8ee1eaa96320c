/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: one end of a pipe, with calls that wait.
 *
 * A listener owns a name; accept gives one stream per client; connect gives
 * the client's end. Both ends read, write, peek and drain with a deadline on
 * each call. The semantics are those of Windows named pipes and .NET's
 * System.IO.Pipes; where they differ from ours the comment says so.
 *
 * Threads: one thread may read while another one writes on the same stream;
 *     wake may be called from any thread; close when no call is running.
 *     A listener takes one thread at a time, and wake from any.
 * Fork: a child may only close what its parent opened.
 * Memory: you close what you open; close takes NULL, never blocks or fails.
 * Timeouts: milliseconds, WPIPE_FOREVER, or 0 to not wait at all.
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

/* What wpipe_stream_info tells. */
typedef struct wpipe_stream_facts {
    size_t size;        /* set by the caller */
    int type;           /* WPIPE_BYTE or WPIPE_MESSAGE: of the pipe */
    int direction;      /* of this end */
    int shared;         /* 1 when our writes go through shared memory,
                               2 when both ways do, 0 on the socket */
    uint32_t buffer_in; /* bytes of ring each way */
    uint32_t buffer_out;
    uint64_t messages_in; /* whole messages, and bytes, so far */
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
} wpipe_stream_facts;

/*
 * Take the pipe name `name` and listen on it. NULL makes a name that nobody
 * else has; wpipe_listener_name tells it. \\.\pipe\x means x.
 *
 * With options.foreign it listens at a foreign door, too, or there alone; with
 * WPIPE_FOREIGN_ONLY a name that begins with '/' is the path of the socket.
 *
 * Returns 0 and the listener in *ret.
 * Errors: WPIPE_ENAME (empty, over WPIPE_NAME_MAX bytes, with '/' or control
 *     characters, "." or "..", "anonymous"; at a foreign door the path must
 *     not be over 107 bytes, 90 with options.second_pipe), WPIPE_EINVAL
 *     (options), WPIPE_EINUSE (error_text names the holder), WPIPE_EACCES (the
 *     directory is not ours or not safe; what is at the path of the foreign
 *     door is not ours to remove), WPIPE_ENOTSUP (access wider than this user
 *     where there is no shared directory), WPIPE_ENOMEM, WPIPE_ELIMIT,
 *     WPIPE_ESYSTEM.
 * Does not block, but for 100 ms when a dead server's socket is in the way at
 * a foreign door. Source: CreateNamedPipe; NamedPipeServerStream(name).
 */
WPIPE_API int wpipe_listen(wpipe_listener **ret, const char *name,
                           const wpipe_options *options);

/*
 * The next client. A client that is refused, breaks the hello or leaves before
 * its turn never fails the wait. Accepting counts against max_clients until
 * the stream is closed.
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_EAGAIN (max_clients streams are
 *     open and timeout_ms is 0), WPIPE_ENOMEM, WPIPE_ESYSTEM.
 * Blocks up to timeout_ms. Source: ConnectNamedPipe, WaitForConnection.
 */
WPIPE_API int wpipe_accept(wpipe_listener *listener, wpipe_stream **ret,
                           int timeout_ms);

/* The name without prefix; owned by the listener, valid until its close. */
WPIPE_API const char *wpipe_listener_name(const wpipe_listener *listener);

/*
 * A descriptor that is readable when accept may have work, or a deadline that
 * the listener keeps (handshake_ms) is over; for poll only. After it is
 * readable call accept(0) until WPIPE_ETIMEDOUT. It stays the same, is the
 * listener's, and asking again has no effect. The thread that accepts.
 * Errors: WPIPE_EINVAL, WPIPE_ESTATE (of a parent process), WPIPE_ESYSTEM.
 */
WPIPE_API intptr_t wpipe_listener_fd(wpipe_listener *listener);

/* End a running wpipe_accept, or the next one, with WPIPE_EWOKEN. Any thread;
 * safe in a signal handler. */
WPIPE_API void wpipe_listener_wake(wpipe_listener *listener);

/* Give the name back. Streams that were accepted go on. */
WPIPE_API void wpipe_listener_close(wpipe_listener *listener);

/*
 * Connect to the pipe `name`, waiting up to timeout_ms for its server to
 * appear (without polling), for a free instance, and for the server's word.
 *
 * The native door is looked for first, then the foreign one (options.foreign).
 * Where options.second_pipe is set a server behind the latter tells the name
 * of another pipe, and that is connected to within the same time.
 *
 * Returns 0 and the stream in *ret.
 * Errors, also when the time is over: WPIPE_ENOTFOUND (no server all the
 *     while), WPIPE_EBUSY (it stayed full), WPIPE_ETIMEDOUT (it did not
 *     answer), WPIPE_EREFUSED (it refused us), WPIPE_EACCES (denied, or the
 *     server is of a user we do not trust), WPIPE_EVERSION, WPIPE_EPROTO
 *     (also: what it sent is not the name of a second pipe),
 *     WPIPE_ESTATE (message reading of a byte pipe, conflicting directions),
 *     WPIPE_ENAME, WPIPE_EINVAL, WPIPE_ENOMEM, WPIPE_ELIMIT, WPIPE_ESYSTEM;
 *     and at once WPIPE_EWOKEN (a signal handler ran, WPIPE_WAIT_SIGNALS).
 * Blocks up to timeout_ms; the options may shorten nothing. .NET throws one
 * TimeoutException for the first three; we keep them apart.
 * Source: CreateFile + WaitNamedPipe, NamedPipeClientStream.Connect.
 */
WPIPE_API int wpipe_connect(wpipe_stream **ret, const char *name,
                            const wpipe_options *options, int timeout_ms);

/*
 * Read. Byte reading: what is there, up to `size`, as soon as anything is.
 * Message reading: one message; when `buf` was too small (or the deadline
 * comes in its middle) wpipe_stream_message_complete() is 0 and the next read
 * goes on with the rest.
 *
 * Returns the bytes read; 0 is an empty message, or size was 0.
 * Errors: WPIPE_EOF (the peer closed or finished and all is read),
 *     WPIPE_EDIED (it died, all is read), WPIPE_EDISCONNECTED,
 *     WPIPE_EABORTED (the message begun was withdrawn), WPIPE_EPROTO,
 *     WPIPE_EMSGSIZE (a message over options.max_message; the connection is
 *     over), WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_ESTATE (an OUT end).
 * Blocks up to timeout_ms. Source: ReadFile; ERROR_MORE_DATA is "message not
 * complete", ERROR_BROKEN_PIPE is WPIPE_EOF.
 */
WPIPE_API int64_t wpipe_read(wpipe_stream *stream, void *buf, size_t size,
                             int timeout_ms);

/* As wpipe_read, into `count` pieces (at most 1024) one after the other. */
WPIPE_API int64_t wpipe_readv(wpipe_stream *stream, const wpipe_piece *pieces,
                              int count, int timeout_ms);

/*
 * 1 when the last read ended a message, 0 when more of it is to come; always
 * 1 when reading bytes. Source: PipeStream.IsMessageComplete.
 */
WPIPE_API int wpipe_stream_message_complete(const wpipe_stream *stream);

/*
 * Write. On a message pipe one call is one message, also an empty one; it is
 * taken whole or not at all: with WPIPE_ETIMEDOUT or WPIPE_EWOKEN the peer
 * never gets it (a reader that had begun it gets WPIPE_EABORTED). On a byte
 * pipe the count written is returned if it is > 0.
 *
 * Returns the bytes written.
 * Errors: WPIPE_EPIPE (the peer closed), WPIPE_EDIED, WPIPE_EDISCONNECTED,
 *     WPIPE_EMSGSIZE (over the peer's max_message; nothing is written),
 *     WPIPE_ETIMEDOUT, WPIPE_EWOKEN, WPIPE_ESTATE (an IN end, or finished),
 *     WPIPE_EPROTO, WPIPE_ENOMEM.
 * Blocks up to timeout_ms while the peer's buffer is full. Source: WriteFile;
 * ERROR_NO_DATA is WPIPE_EPIPE.
 */
WPIPE_API int64_t wpipe_write(wpipe_stream *stream, const void *buf,
                              size_t size, int timeout_ms);

/* As wpipe_write, from `count` pieces (at most 1024) as one message. */
WPIPE_API int64_t wpipe_writev(wpipe_stream *stream, const wpipe_piece *pieces,
                               int count, int timeout_ms);

/* What a message is to those who call: wpipe_call.kind. */
enum wpipe_call_kind {
    WPIPE_CALL_NONE = 0,    /* a plain message */
    WPIPE_CALL_REQUEST = 1, /* of wpipe_client_call, to a server */
    WPIPE_CALL_REPLY = 2    /* of wpipe_server_reply, to a client */
};

/* The mark of a call. A reply bears the number of its request. */
typedef struct wpipe_call {
    int kind;         /* WPIPE_CALL_* */
    uint64_t request; /* not 0 for a request or a reply; else of no meaning */
} wpipe_call;

/*
 * For programs that pass messages on: what the message is that was read last,
 * or in part. On a byte pipe always WPIPE_CALL_NONE.
 *
 * Returns 0 and the mark in *ret_call. Errors: WPIPE_EINVAL. Does not block;
 *     from the thread that reads.
 */
WPIPE_API int wpipe_stream_call(const wpipe_stream *stream,
                                wpipe_call *ret_call);

/*
 * As wpipe_write, with that mark: a request from a connecting end, whose peer
 * may be a server and answers with wpipe_server_reply; a reply from an accepted
 * one, whose peer may sit in wpipe_client_call. The numbers are the caller's
 * own affair. A connecting end that has written a request may be sent replies;
 * before that one is WPIPE_EPROTO.
 *
 * Returns the bytes written. Errors: those of wpipe_write; WPIPE_EINVAL (no
 *     such kind, or a number 0), WPIPE_ESTATE (a request from an accepted end,
 *     a reply from a connecting one, or inside a message), WPIPE_ENOTSUP (a
 *     pipe of bytes, or a peer that is not windpipe: nothing is written).
 */
WPIPE_API int64_t wpipe_write_call(wpipe_stream *stream, const wpipe_call *call,
                                   const void *buf, size_t size,
                                   int timeout_ms);

/*
 * Half-close: the peer reads what was written and then WPIPE_EOF; we go on
 * reading. Writes give WPIPE_ESTATE from then on. Finishing twice is fine.
 *
 * Returns 0. Errors: as wpipe_write. Does not block.
 */
WPIPE_API int wpipe_finish(wpipe_stream *stream);

/*
 * Look without taking: copies up to `size` unread bytes (of the first message
 * only, on a message pipe), tells how many unread bytes there are in all, and
 * how many of the first message are beyond those copied (0 on a byte pipe).
 * Any of the outputs may be NULL. Empty messages are not visible.
 *
 * Returns the bytes copied.
 * Errors: WPIPE_EOF, WPIPE_EDIED, WPIPE_EDISCONNECTED once nothing is left,
 *     WPIPE_ESTATE (an OUT end), WPIPE_EPROTO.
 * Does not block. Source: PeekNamedPipe; Windows reports -n for the rest of a
 * byte pipe, we report 0.
 */
WPIPE_API int64_t wpipe_peek(wpipe_stream *stream, void *buf, size_t size,
                             size_t *ret_available,
                             size_t *ret_left_in_message);

/*
 * Write one message and read the answer, on a duplex message pipe.
 *
 * Returns the bytes of the answer; message_complete tells if it fitted.
 * Errors: WPIPE_EBUSY (unread data is in the way; nothing is written),
 *     WPIPE_ESTATE (not a duplex message pipe read by messages), and those of
 *     wpipe_write and wpipe_read. timeout_ms covers both.
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
 * Server end only: end the connection and throw away what is unread in both
 * directions; the peer then sees WPIPE_EDISCONNECTED. The stream is still to
 * be closed, and can do nothing else.
 *
 * Returns 0. Errors: WPIPE_ESTATE (a connecting end), WPIPE_EDISCONNECTED
 *     (the second time). Does not block. Source: DisconnectNamedPipe.
 */
WPIPE_API int wpipe_disconnect(wpipe_stream *stream);

/*
 * Zero-copy writing: reserve `size` bytes of the outgoing ring, fill them,
 * commit. One reservation at a time; a commit of fewer bytes is fine. With
 * more = 1 the message goes on with the next begin or write.
 *
 * begin: returns 0 and the memory in *ret_data, `size` bytes, ours until
 *     commit or abort. Errors: WPIPE_EMSGSIZE (over a quarter of the buffer,
 *     or over 10 KiB while the connection is on its socket: write it in
 *     several parts with more = 1), and those of wpipe_write.
 * commit: returns the bytes committed. Errors: WPIPE_ESTATE (nothing begun),
 *     WPIPE_EINVAL (more than reserved), and those of wpipe_write.
 * abort: gives the reservation back; and if parts of the message were already
 *     committed with more = 1 it is withdrawn as a whole.
 * On a connection that is still on its socket the memory is a private copy.
 */
WPIPE_API int wpipe_write_begin(wpipe_stream *stream, size_t size,
                                void **ret_data, int timeout_ms);
WPIPE_API int64_t wpipe_write_commit(wpipe_stream *stream, size_t size,
                                     int more);
WPIPE_API void wpipe_write_abort(wpipe_stream *stream);

/*
 * Zero-copy reading: the next unread bytes where they lie. They are part of
 * one message and never more than it; wpipe_stream_message_complete() tells,
 * after end, if the message ended with them.
 *
 * begin: returns 0, the bytes in *ret_data, their number in *ret_size; they
 *     stay until end. Errors: as wpipe_read; WPIPE_ESTATE when one is open.
 * end: takes the first `used` of them. Returns 0. Errors: WPIPE_ESTATE,
 *     WPIPE_EINVAL (more than given).
 * The memory is the peer's ring only when the peer is the same user, or with
 * WPIPE_TRUST_PEER: then a hostile peer could change it while it is looked
 * at. Otherwise it is a copy.
 */
WPIPE_API int wpipe_read_begin(wpipe_stream *stream, const void **ret_data,
                               size_t *ret_size, int timeout_ms);
WPIPE_API int wpipe_read_end(wpipe_stream *stream, size_t used);

/* Who is at the other end. Returns 0. Errors: WPIPE_EINVAL. */
WPIPE_API int wpipe_stream_peer(const wpipe_stream *stream,
                                wpipe_peer *ret_peer);

/* What the stream is and has done. Returns 0. Errors: WPIPE_EINVAL,
 * WPIPE_ESTATE (in a forked child). */
WPIPE_API int wpipe_stream_info(const wpipe_stream *stream,
                                wpipe_stream_facts *ret_facts);

/*
 * One descriptor for a foreign event loop: level-triggered, readable while
 * anything is unread or the connection is over. Use it to poll for reading,
 * then read with timeout 0 until WPIPE_ETIMEDOUT. Owned by the stream; asking
 * for it again has no effect.
 *
 * Returns the descriptor (a HANDLE on Windows). Errors: WPIPE_ELIMIT,
 *     WPIPE_ENOMEM. Call it from the thread that reads.
 */
WPIPE_API intptr_t wpipe_stream_fd(wpipe_stream *stream);

/*
 * End all that waits on the stream at this moment (read, write, drain,
 * transact, and their kin): WPIPE_EWOKEN. When nobody waits, the next one that
 * would have to ends so. Several such wakes count as one. Any thread; safe in a
 * signal handler.
 * With a reader and a writer a wake may find only one of them waiting, and the
 * other one waits later: to end both let each wake the stream again when it
 * ends.
 */
WPIPE_API void wpipe_stream_wake(wpipe_stream *stream);

/* Close this end. The peer reads what was written, then WPIPE_EOF. */
WPIPE_API void wpipe_stream_close(wpipe_stream *stream);

/* ---- anonymous pipes: between a parent and a child ----------------------- */

/*
 * Make a pipe without a name and give this process its end of it; the other
 * end is for a child. `direction` is ours: WPIPE_OUT, WPIPE_IN, or
 * WPIPE_DUPLEX. The child is told a short string - a descriptor number - and
 * opens it with wpipe_anonymous_open.
 *
 * With options.foreign = WPIPE_FOREIGN_ONLY the pipe is a plain system pipe,
 * which a .NET, Node, Python or shell child can use (one way only), its
 * messages cut by options.framing. Otherwise both ends must be windpipe, and
 * the pipe is a native link with all that it can do.
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_ENOTSUP (a duplex system pipe, or messages on one without
 *     options.framing), WPIPE_EINVAL, WPIPE_ELIMIT, WPIPE_ENOMEM.
 * Does not block. Source: AnonymousPipeServerStream.
 */
WPIPE_API int wpipe_anonymous(wpipe_stream **ret, int direction,
                              const wpipe_options *options);

/*
 * The string for the child: a decimal number, at most 11 bytes with its end.
 * From then on children inherit the child's end.
 *
 * Returns its length. Errors: WPIPE_EINVAL (`size` too small), WPIPE_ESTATE
 *     (not such a stream, or released). Source: GetClientHandleAsString.
 */
WPIPE_API int wpipe_anonymous_client_string(wpipe_stream *stream, char *buf,
                                            size_t size);

/*
 * Close this process's copy of the child's end, after the child was started:
 * only then is the end of the child seen. Twice is fine; close does it too.
 * Returns 0. Errors: WPIPE_EINVAL. Source: DisposeLocalCopyOfClientHandle.
 */
WPIPE_API int wpipe_anonymous_release_client(wpipe_stream *stream);

/*
 * Child: open the end that `string` names; it is the stream's from then on.
 * A system pipe or a socket of somebody else's is used as bytes, or cut by
 * options.framing (for a socket set options.foreign = WPIPE_FOREIGN_ONLY).
 *
 * Returns 0 and the stream in *ret.
 * Errors: WPIPE_EINVAL (not a number, not a pipe or socket; the descriptor is
 *     left alone), WPIPE_ETIMEDOUT (the other end is not windpipe and silent),
 *     WPIPE_EWOKEN (a signal handler ran, WPIPE_WAIT_SIGNALS), WPIPE_EPROTO,
 *     WPIPE_ESTATE (directions), WPIPE_ENOTSUP (shared memory is required and
 *     the parent, or the system, refuses it), WPIPE_ENOMEM.
 * Waits up to five seconds for the parent's hello, which is there already.
 * Source: AnonymousPipeClientStream(direction, string).
 */
WPIPE_API int wpipe_anonymous_open(wpipe_stream **ret, int direction,
                                   const char *string,
                                   const wpipe_options *options);

/*
 * Start the program `arguments[0]` (looked up in PATH) with `arguments`, which
 * end with NULL. Each argument "{0}", "{1}" ... is replaced by the string of
 * that one of the `count` anonymous streams (at most 16): in the child the end
 * of stream n is descriptor 3 + n, whatever it is here. The child inherits
 * these ends and standard input, output and error, and this process's copies
 * are released.
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
