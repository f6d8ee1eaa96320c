/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors, options and the plain values that every part of windpipe shares.
 * Included by <windpipe/stream.h> and <windpipe.h>; rarely included alone.
 *
 * Every call returns >= 0 on success or one negative WPIPE_E* code. The codes
 * have the same numbers on every system. wpipe_error_class() sorts them into
 * what a caller can do about them. There is no thread-local "last error":
 * text for people goes into options.error_text.
 */
#ifndef WINDPIPE_ERROR_H
#define WINDPIPE_ERROR_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(WPIPE_SHARED)
#define WPIPE_API __declspec(dllimport)
#elif defined(__GNUC__)
#define WPIPE_API __attribute__((visibility("default")))
#else
#define WPIPE_API
#endif

/*
 * A struct that begins with its size (wpipe_options, wpipe_handlers, wpipe_peer
 * and so on): all zero but for that, in C and in C++.
 *
 *     wpipe_options options = WPIPE_INIT(wpipe_options);
 *     options.type = WPIPE_MESSAGE;
 *
 * In C this is { .size = sizeof(type) }, to which more fields can be added.
 */
#ifdef __cplusplus
template <typename T> inline T wpipe__init()
{
    T object = T();
    object.size = sizeof(T);
    return object;
}
#define WPIPE_INIT(type) wpipe__init<type>()
#else
#define WPIPE_INIT(type)     \
    {                        \
        .size = sizeof(type) \
    }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; wpipe_version() tells the library's. */
#define WPIPE_VERSION "0.1.0"

/* A timeout that never ends. Timeouts are milliseconds; 0 does not wait; any
 * other negative number is WPIPE_EINVAL. */
#define WPIPE_FOREVER (-1)

/* The longest pipe name, in bytes, without the optional \\.\pipe\ prefix. */
#define WPIPE_NAME_MAX 240

/*
 * The error codes. Their numbers never change.
 */
enum wpipe_error {
    WPIPE_OK = 0,              /* no error */
    WPIPE_EINVAL = -1,         /* an argument or option is out of range, or
                                  options.framing cannot carry the message
                                  (wpipe_framing_problem tells why) */
    WPIPE_ENAME = -2,          /* the pipe name is not allowed */
    WPIPE_ENOMEM = -3,         /* out of memory */
    WPIPE_ELIMIT = -4,         /* out of descriptors or another system limit */
    WPIPE_EAGAIN = -5,         /* the call would have to wait */
    WPIPE_ETIMEDOUT = -6,      /* the timeout expired */
    WPIPE_EWOKEN = -7,         /* a wpipe_*_wake, a stop or a signal handler
                                  ended the wait */
    WPIPE_ENOTFOUND = -8,      /* no server has this name */
    WPIPE_EBUSY = -9,          /* the server is full; wpipe_transact: there is
                                  unread data, read it first */
    WPIPE_EREFUSED = -10,      /* the server refused the connection */
    WPIPE_EACCES = -11,        /* access denied, or the peer is not trusted */
    WPIPE_EINUSE = -12,        /* another server has this name */
    WPIPE_EOF = -13,           /* the peer closed or finished; all was read */
    WPIPE_EPIPE = -14,         /* the peer closed; it cannot read any more */
    WPIPE_EDIED = -15,         /* the peer died without closing */
    WPIPE_EDISCONNECTED = -16, /* the peer ended the connection; data for us
                                  may be lost */
    WPIPE_EPROTO = -17,        /* the peer broke the protocol */
    WPIPE_EVERSION = -18,      /* the peer speaks another version */
    WPIPE_EABORTED = -19,      /* the peer withdrew the message being read */
    WPIPE_EMSGSIZE = -20,      /* the message is over the limit */
    WPIPE_ENOTCONN = -21,      /* not connected, or that client is gone */
    WPIPE_ESTATE = -22,        /* not possible with this object or in its
                                  state */
    WPIPE_ENOTSUP = -23,       /* not supported by this system or this peer */
    WPIPE_ESYSTEM = -24        /* a system call failed in another way */
};

/* What a caller can do about an error. */
enum wpipe_class {
    WPIPE_CLASS_NONE = 0,   /* not an error */
    WPIPE_CLASS_RETRY = 1,  /* try again later, or wait longer */
    WPIPE_CLASS_PEER = 2,   /* the peer's doing; this connection is over */
    WPIPE_CLASS_CALLER = 3, /* the call is wrong: fix the program */
    WPIPE_CLASS_SYSTEM = 4  /* memory, descriptors, rights, the system */
};

/*
 * A sentence about `error`, never NULL, for people; a static string.
 * Does not block; any thread.
 */
WPIPE_API const char *wpipe_strerror(int error);

/* The name of `error`, such as "WPIPE_EBUSY"; "WPIPE_OK" for 0 and more;
 * "unknown" for other numbers. */
WPIPE_API const char *wpipe_error_name(int error);

/* The class of `error`, one of WPIPE_CLASS_*. */
WPIPE_API int wpipe_error_class(int error);

/* The library's version, such as "0.1.0": a static string. */
WPIPE_API const char *wpipe_version(void);

/* Who is at the other end. The kernel recorded it when the two connected. */
typedef struct wpipe_peer {
    size_t size;      /* set to sizeof(wpipe_peer) by the caller */
    uint32_t uid;     /* user id; UINT32_MAX: it has none in our user
                         namespace, and may be anybody */
    uint32_t gid;     /* group id */
    int64_t pid;      /* process id: a hint, pids are used again */
    char program[64]; /* name of its executable; untrusted; "" if unknown, or
                         when the process has ended */
    char user[64];    /* user name where the system tells it, else "" */
} wpipe_peer;

/* options.type: a stream of bytes, or messages. */
enum wpipe_type {
    WPIPE_DEFAULT_TYPE = 0, /* streams: byte; servers and clients: message */
    WPIPE_BYTE = 1,
    WPIPE_MESSAGE = 2
};

/* options.direction, seen from the end that the options belong to. */
enum wpipe_direction {
    WPIPE_DUPLEX = 0,
    WPIPE_IN = 1, /* this end only reads */
    WPIPE_OUT = 2 /* this end only writes */
};

/* options.access: who may connect. */
enum wpipe_access {
    WPIPE_ACCESS_USER = 0,  /* this user only */
    WPIPE_ACCESS_GROUP = 1, /* and members of options.group */
    WPIPE_ACCESS_ANYONE = 2 /* every user of this machine */
};

/* options.shared_memory: when a connection moves from its socket to shared
 * memory. If the peer is another user, and not root, the connection stays on
 * the socket unless both ends set WPIPE_TRUST_PEER; REQUIRED then fails with
 * WPIPE_ENOTSUP. */
enum wpipe_shared_memory {
    WPIPE_SHARED_AUTO = 0, /* after some traffic */
    WPIPE_SHARED_NOW = 1,  /* right after the connection is made */
    WPIPE_SHARED_NEVER = 2,
    WPIPE_SHARED_REQUIRED = 3 /* as NOW; fail if it is not possible */
};

/* options.slow_reader: what broadcast does if a client's queue is full. */
enum wpipe_slow_reader {
    WPIPE_SLOW_DROP = 0, /* end its connection: DISCONNECTED, reason SLOW */
    WPIPE_SLOW_SKIP = 1  /* skip it: a SKIPPED event tells of it */
};

/*
 * options.framing: how a stream of bytes is cut into messages, for a peer that
 * is not windpipe: at a foreign socket and on system pipes. Two ends that are
 * both windpipe need no framing.
 */
enum wpipe_framing {
    WPIPE_FRAMING_RAW = 0,      /* bytes as they come */
    WPIPE_FRAMING_LE32 = 1,     /* four-byte little-endian length */
    WPIPE_FRAMING_BE32 = 2,     /* four-byte big-endian length: H.Pipes,
                                   named-pipe-wrapper, StreamJsonRpc */
    WPIPE_FRAMING_LINES = 3,    /* text lines; a CR before the LF is dropped,
                                   and so is a UTF-8 byte order mark before the
                                   first line. A message that ends in a newline
                                   is one line, too; one with a newline inside
                                   is WPIPE_EINVAL */
    WPIPE_FRAMING_HEADERS = 4,  /* Content-Length: as in LSP */
    WPIPE_FRAMING_TYPE_LE32 = 5 /* type byte, little-endian length */
};

/*
 * Why a message of `size` bytes cannot be sent in `framing` (WPIPE_FRAMING_*).
 * Calls that send return WPIPE_EINVAL for it.
 *
 * Returns NULL if it can be sent, else a sentence such as "the line has a
 * newline inside": a static string. Does not block; any thread.
 */
WPIPE_API const char *wpipe_framing_problem(int framing, const void *data,
                                            size_t size);

/*
 * options.foreign: the foreign socket of a pipe. It is a plain unix socket at
 * ${TMPDIR:-/tmp}/CoreFxPipe_<name>, where .NET looks for the pipe; Node,
 * Python and others can connect to it, too. The native socket is the one that
 * only windpipe uses.
 */
enum wpipe_foreign {
    WPIPE_FOREIGN_DEFAULT = 0, /* listener, server: none; connect: used if
                                  there is no native socket */
    WPIPE_FOREIGN_ALSO = 1,    /* listener, server: both sockets */
    WPIPE_FOREIGN_ONLY = 2,    /* only the foreign socket */
    WPIPE_FOREIGN_NEVER = 3    /* connect: only the native socket */
};

/*
 * options.second_pipe: clients do not stay on the foreign socket. The server
 * sends each client the name of a second pipe, made for that client alone. The
 * client disconnects, connects to the second pipe, and they talk there. Both
 * ends must set this option; a client understands both forms of the name.
 */
enum wpipe_second_pipe {
    WPIPE_SECOND_PIPE_NONE = 0,
    WPIPE_SECOND_PIPE_H_PIPES = 1, /* as H.Pipes: the name is sent in UTF-8;
                                      messages are WPIPE_FRAMING_BE32 */
    WPIPE_SECOND_PIPE_WRAPPER = 2  /* as named-pipe-wrapper: the name is sent
                                      as BinaryFormatter writes a string */
};

/* options.flags */
enum wpipe_flags {
    WPIPE_FIRST_INSTANCE = 1, /* take the name only if nobody has it. windpipe
                                 always does this; the flag changes nothing */
    WPIPE_CONNECT_EARLY = 2,  /* connect: do not wait for the server's answer;
                                 so one thread may listen, connect, write,
                                 accept. Unless options.type is WPIPE_MESSAGE
                                 a write of over 1 KiB waits for the answer, as
                                 a call and the commit of a part do: only the
                                 answer tells whether the pipe has messages */
    WPIPE_TRUST_PEER = 4,     /* share memory with another user, too, and let
                             read_begin show it without a copy. Also: treat a
                             peer whose user has no number in our user
                             namespace as our own user */
    WPIPE_RECONNECT = 8,  /* client: connect again when the server is lost */
    WPIPE_CHECK_UID = 16, /* connect: the server must be options.server_uid */
    WPIPE_CONNECT_LATER = 32, /* client_open: do not wait for the first
                                 connection; a CONNECTED event tells of it */
    /*
     * A wait returns WPIPE_EWOKEN when a signal handler ran on its thread while
     * it slept. Install the handler without SA_RESTART. A handler that runs
     * just before the sleep begins, or while the wait spins, does not end the
     * wait. So a handler that only sets a flag needs waits with a timeout; or
     * call a wpipe_*_wake in the handler: that is safe there and is never
     * missed, with or without this flag. Shutdown, close, wpipe_inspect and
     * wpipe_wait_for ignore this flag.
     */
    WPIPE_WAIT_SIGNALS = 64
};

/* entry.kind of options.log: what happened. */
enum wpipe_log_kind {
    WPIPE_LOG_CONNECTED = 1,    /* a connection was made */
    WPIPE_LOG_MOVED = 2,        /* our writes go through shared memory now */
    WPIPE_LOG_GROWN = 3,        /* bytes: of our ring in shared memory, now */
    WPIPE_LOG_DISCONNECTED = 4, /* a connection is over; reason, error */
    WPIPE_LOG_DROPPED = 5,      /* count, bytes: messages that this peer will
                                   not get; reason. Its connection ended, or
                                   a broadcast skipped it */
    WPIPE_LOG_REFUSED = 6       /* count: peers that were refused; reason,
                                   error */
};

/* One entry of options.log. What its kind does not name is 0. */
typedef struct wpipe_log_entry {
    size_t size;         /* of what the library filled in */
    int kind;            /* WPIPE_LOG_* */
    int reason;          /* WPIPE_REASON_*, see windpipe.h */
    int error;           /* the WPIPE_E* behind the reason, or 0 */
    uint64_t connection; /* as event.from; 0 of a stream, and for REFUSED */
    uint64_t count;      /* UINT64_MAX: unknown */
    uint64_t bytes;      /* the same */
    uint64_t missed;     /* how many entries before this one are missing,
                            because there was no memory for them */
    wpipe_peer peer;     /* who is at the other end: uid, gid and pid; names
                            are not looked up. Not for REFUSED */
} wpipe_log_entry;

/* options.spin_us: no spinning at all. */
#define WPIPE_SPIN_OFF (-1)

/* options.linger_ms: close does not wait. */
#define WPIPE_LINGER_OFF (-2)

/* The most that options.threads may be. */
#define WPIPE_THREADS_MAX 64

/*
 * Options of a listener, stream, server or client. Zero everywhere means the
 * default; set `size` to sizeof(wpipe_options), or begin with
 * WPIPE_INIT(wpipe_options). An object ignores the fields
 * that it does not use. A larger `size` than the library knows is refused with
 * WPIPE_EINVAL unless the unknown rest is zero.
 */
typedef struct wpipe_options {
    size_t size;
    int type;              /* WPIPE_BYTE or WPIPE_MESSAGE. The listener
                               decides what the pipe is; for a connecting end
                               this says how it reads */
    int direction;         /* WPIPE_DUPLEX, WPIPE_IN, WPIPE_OUT */
    int access;            /* listener, server: WPIPE_ACCESS_* */
    uint32_t group;        /* ACCESS_GROUP: the group id; 0 = the group of this
                               process */
    int shared_memory;     /* WPIPE_SHARED_* */
    int slow_reader;       /* server: WPIPE_SLOW_* */
    int spin_us;           /* microseconds to spin before sleeping: 0 = 50,
                               WPIPE_SPIN_OFF = none; at most 10000 */
    uint32_t flags;        /* WPIPE_FIRST_INSTANCE and so on */
    uint32_t server_uid;   /* with WPIPE_CHECK_UID */
    uint32_t max_clients;  /* listener: instances at once; server: clients;
                               0 = 65536 */
    uint32_t max_per_user; /* of those, from one user id; 0 = no limit */
    uint32_t buffer_in;    /* bytes of the largest ring that the peer may make
                               for what we read: 4 KiB to 64 MiB, rounded up
                               to a power of two; 0 = any. For a peer that is
                               not windpipe: of our own buffer, 0 = 256 KiB */
    uint32_t buffer_out;   /* bytes of the ring that we make and write: as
                               above, 0 = 256 KiB; at most the peer's
                               buffer_in. It is enough that one end asks */
    uint64_t max_message;  /* bytes of the longest message that we accept;
                               0 = 16 MiB */
    uint64_t queue_limit;  /* bytes queued for one client; 0 = 1 MiB */
    uint64_t memory_limit; /* server: bytes of queued and half-received
                               messages of all clients, and as many and a
                               quarter that were received and wait for their
                               turn;
                               client: of messages kept for wait;
                               0 = 256 MiB */
    int handshake_ms;      /* time that a peer has to complete the handshake,
                               or to connect to its second pipe; 0 = 5000 */
    int connect_ms;        /* client_open: how long to wait for the server;
                               0 = five minutes, WPIPE_FOREVER, or at least
                               1 millisecond */
    int foreign;           /* WPIPE_FOREIGN_* */
    int framing;           /* WPIPE_FRAMING_* of the foreign socket */
    int second_pipe;       /* WPIPE_SECOND_PIPE_* of the foreign socket */
    uint32_t threads;      /* server: how many threads wpipe_server_start
                               starts; each serves a part of the clients;
                               0 = 1, at most WPIPE_THREADS_MAX */
    /* Called before a peer is accepted: 0 accepts it, a negative code refuses
     * it. Runs on the thread that accepts or waits; must not call this
     * library. */
    int (*admit)(const wpipe_peer *peer, void *admit_user);
    void *admit_user;
    char *error_text; /* the caller's buffer; gets one sentence about a
                               failure, always terminated */
    size_t error_text_size;
    int linger_ms;  /* server, client: how long close may wait to deliver what
                      send accepted: 0 = 1000 ms, WPIPE_LINGER_OFF = no wait,
                      WPIPE_FOREVER, or milliseconds */
    int message_ms; /* server, client: time that a peer has to finish a message
                       that it has begun. Time in which we do not read does
                       not count. 0 = 30000 ms, WPIPE_FOREVER, or
                       milliseconds */
    /*
     * Called when something happens to a connection (WPIPE_LOG_*), never for
     * each message. Runs on a thread that is in a call on the object, or on one
     * of wpipe_server_start, with no lock of the library held: one call at a
     * time for each object, in order. It may call the library, but not wait on
     * or close that object. It should be short: the caller waits for it.
     */
    void (*log)(const wpipe_log_entry *entry, void *log_user);
    void *log_user;
    int listen_fd;  /* listener, server: a listening unix socket that another
                       process made, to serve instead of a new native socket
                       (wpipe_options_inherit); 0 = none */
    int foreign_fd; /* the same instead of a new foreign socket */
    uint64_t reserved[3]; /* zero */
} wpipe_options;

#ifdef __cplusplus
}
#endif

#endif
