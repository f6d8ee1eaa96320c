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

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; wpipe_version() tells the library's. */
#define WPIPE_VERSION "0.1.0"

/* A timeout that never ends. Timeouts are milliseconds; 0 does not wait. */
#define WPIPE_FOREVER (-1)

/* The longest pipe name, in bytes, without the optional \\.\pipe\ prefix. */
#define WPIPE_NAME_MAX 240

/*
 * The error codes. New code: add it here and in the table of src/base/error.c;
 * numbers never change and there are never more than 24.
 */
enum wpipe_error {
    WPIPE_EINVAL = -1,         /* an argument or option is out of range */
    WPIPE_ENAME = -2,          /* the pipe name is not allowed */
    WPIPE_ENOMEM = -3,         /* out of memory */
    WPIPE_ELIMIT = -4,         /* out of descriptors or another system limit */
    WPIPE_EAGAIN = -5,         /* nothing to do now without waiting */
    WPIPE_ETIMEDOUT = -6,      /* the time given is over */
    WPIPE_EWOKEN = -7,         /* the wait was ended by a wpipe_*_wake, by stop,
                                  or by a signal handler */
    WPIPE_ENOTFOUND = -8,      /* no server has this name */
    WPIPE_EBUSY = -9,          /* the server is full, or data is in the way */
    WPIPE_EREFUSED = -10,      /* the server did not let us in */
    WPIPE_EACCES = -11,        /* access denied, or the peer is not trusted */
    WPIPE_EINUSE = -12,        /* another server has this name */
    WPIPE_EOF = -13,           /* the peer closed or finished; all was read */
    WPIPE_EPIPE = -14,         /* the peer closed; it cannot read any more */
    WPIPE_EDIED = -15,         /* the peer died without closing */
    WPIPE_EDISCONNECTED = -16, /* the peer ended it; something for us is gone */
    WPIPE_EPROTO = -17,        /* the peer broke the protocol */
    WPIPE_EVERSION = -18,      /* the peer speaks another version */
    WPIPE_EABORTED = -19,      /* the peer withdrew the message being read */
    WPIPE_EMSGSIZE = -20,      /* the message is over the limit */
    WPIPE_ENOTCONN = -21,      /* not connected, or that client is gone */
    WPIPE_ESTATE = -22,        /* not possible on this object or in its state */
    WPIPE_ENOTSUP = -23,       /* not to be had here, or with this peer */
    WPIPE_ESYSTEM = -24        /* the system failed in another way */
};

/* What a caller can do about an error. */
enum wpipe_class {
    WPIPE_CLASS_NONE = 0,   /* not an error */
    WPIPE_CLASS_RETRY = 1,  /* try again later, or wait longer */
    WPIPE_CLASS_PEER = 2,   /* the other process; this connection is over */
    WPIPE_CLASS_CALLER = 3, /* the call is wrong: fix the program */
    WPIPE_CLASS_SYSTEM = 4  /* memory, descriptors, the system */
};

/*
 * A sentence about `error`, never NULL, for people; a static string.
 * Does not block; any thread.
 */
WPIPE_API const char *wpipe_strerror(int error);

/* The name of `error`, such as "WPIPE_EBUSY"; "unknown" for other numbers. */
WPIPE_API const char *wpipe_error_name(int error);

/* The class of `error`, one of WPIPE_CLASS_*. */
WPIPE_API int wpipe_error_class(int error);

/* The library's version, such as "0.1.0": a static string. */
WPIPE_API const char *wpipe_version(void);

/* Who is at the other end, as the kernel told when the two connected. */
typedef struct wpipe_peer {
    size_t size;      /* set to sizeof(wpipe_peer) by the caller */
    uint32_t uid;     /* user id */
    uint32_t gid;     /* group id */
    int64_t pid;      /* process id: a hint, pids are used again */
    char program[64]; /* name of its executable; untrusted; "" if unknown, or
                         when the process has ended */
    char user[64];    /* user name where the system tells it, else "" */
} wpipe_peer;

/* options.type: what travels. */
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

/* options.shared_memory: when a connection leaves its socket. With a peer of
 * another user, who is not root, it never does without WPIPE_TRUST_PEER, and
 * REQUIRED fails with WPIPE_ENOTSUP. */
enum wpipe_shared_memory {
    WPIPE_SHARED_AUTO = 0, /* when its traffic earns it */
    WPIPE_SHARED_NOW = 1,  /* right after the connection is made */
    WPIPE_SHARED_NEVER = 2,
    WPIPE_SHARED_REQUIRED = 3 /* as NOW, and fail where it is not to be had */
};

/* options.slow_reader: what broadcast does with a client that is full. */
enum wpipe_slow_reader {
    WPIPE_SLOW_DROP = 0, /* end its connection: DISCONNECTED, reason SLOW */
    WPIPE_SLOW_SKIP = 1  /* leave it out and say so: a SKIPPED event */
};

/*
 * How message boundaries travel to a program that is not windpipe. Used with
 * a foreign door, with files and with anonymous pipes; between two ends of
 * windpipe there is no need for one.
 */
enum wpipe_framing {
    WPIPE_FRAMING_RAW = 0,      /* bytes as they come */
    WPIPE_FRAMING_LE32 = 1,     /* four-byte little-endian length */
    WPIPE_FRAMING_BE32 = 2,     /* four-byte big-endian length: H.Pipes,
                                   named-pipe-wrapper, StreamJsonRpc */
    WPIPE_FRAMING_LINES = 3,    /* text lines; a CR before the LF is dropped */
    WPIPE_FRAMING_HEADERS = 4,  /* Content-Length: as in LSP */
    WPIPE_FRAMING_TYPE_LE32 = 5 /* type byte, little-endian length */
};

/* options.foreign: the door at ${TMPDIR:-/tmp}/CoreFxPipe_<name> for .NET,
 * Node, Python and everything else that speaks plain sockets. */
enum wpipe_foreign {
    WPIPE_FOREIGN_DEFAULT = 0, /* listener, server: no; connect: when there
                                  is no native door */
    WPIPE_FOREIGN_ALSO = 1,    /* listener, server: both doors */
    WPIPE_FOREIGN_ONLY = 2,    /* only that door */
    WPIPE_FOREIGN_NEVER = 3    /* connect: only the native door */
};

/*
 * options.second_pipe: a foreign door where nobody stays. The server tells
 * each client the name of a pipe made for it alone; the client leaves, comes
 * to that one, and there they talk. Both ends must be told so; a client
 * understands either form of the name.
 */
enum wpipe_second_pipe {
    WPIPE_SECOND_PIPE_NONE = 0,
    WPIPE_SECOND_PIPE_H_PIPES = 1, /* as H.Pipes: the name in UTF-8; its
                                      messages are WPIPE_FRAMING_BE32 */
    WPIPE_SECOND_PIPE_WRAPPER = 2  /* as named-pipe-wrapper: the name as
                                      BinaryFormatter writes a string */
};

/* options.flags */
enum wpipe_flags {
    WPIPE_FIRST_INSTANCE = 1, /* take the name only if nobody has it; windpipe
                                 always does, the flag is for readers */
    WPIPE_CONNECT_EARLY = 2,  /* connect: do not wait for the verdict;
                                one thread may listen, connect, write,
                                accept. Unless options.type is WPIPE_MESSAGE
                                a write of over 1 KiB waits for it, as a
                                call and the commit of a part do: only the
                                verdict tells whether there are messages */
    WPIPE_TRUST_PEER = 4,     /* shared memory also with another user, and
                             read_begin gives it as it is */
    WPIPE_RECONNECT = 8,  /* client: connect again when the server is lost */
    WPIPE_CHECK_UID = 16, /* connect: the server must be options.server_uid */
    WPIPE_CONNECT_LATER = 32, /* client_open: do not wait for the first
                                 connection; a CONNECTED event tells of it */
    /*
     * A wait returns WPIPE_EWOKEN when a signal handler ran on its thread while
     * it slept; install it without SA_RESTART. A handler that runs just before
     * the sleep begins, or while the wait spins, does not end it: one that
     * only sets a flag needs waits with a timeout. Where that will not do, call
     * a wpipe_*_wake in the handler: they are safe there and are never missed,
     * with or without this flag. Shutdown, close, wpipe_inspect and
     * wpipe_wait_for go on.
     */
    WPIPE_WAIT_SIGNALS = 64
};

/* options.spin_us: no spinning at all. */
#define WPIPE_SPIN_OFF (-1)

/* options.linger_ms: a close does not wait for anybody. */
#define WPIPE_LINGER_OFF (-2)

/* The most that options.threads may be. */
#define WPIPE_THREADS_MAX 64

/*
 * Options of a listener, stream, server or client. Zero everywhere means the
 * default; set `size` to sizeof(wpipe_options). A field that an object has no
 * use for is ignored. A larger `size` than the library knows is refused with
 * WPIPE_EINVAL unless the unknown rest is zero.
 */
typedef struct wpipe_options {
    size_t size;
    int type;              /* WPIPE_BYTE or WPIPE_MESSAGE; a connecting end
                               asks how it wants to read, the listener decides
                               what the pipe is */
    int direction;         /* WPIPE_DUPLEX, WPIPE_IN, WPIPE_OUT */
    int access;            /* listener, server: WPIPE_ACCESS_* */
    uint32_t group;        /* ACCESS_GROUP: the group id; 0 = our own group */
    int shared_memory;     /* WPIPE_SHARED_* */
    int slow_reader;       /* server: WPIPE_SLOW_* */
    int spin_us;           /* microseconds to spin before sleeping: 0 = 50,
                               WPIPE_SPIN_OFF = none; at most 10000 */
    uint32_t flags;        /* WPIPE_FIRST_INSTANCE and so on */
    uint32_t server_uid;   /* with WPIPE_CHECK_UID */
    uint32_t max_clients;  /* listener: instances at once; server: clients;
                               0 = 65536 */
    uint32_t max_per_user; /* of those, from one user id; 0 = no own limit */
    uint32_t buffer_in;    /* bytes of ring for what we read: 4 KiB to 64 MiB,
                               rounded up to a power of two; 0 = 256 KiB */
    uint32_t buffer_out;   /* the same for what we write */
    uint64_t max_message;  /* bytes of one message we take; 0 = 16 MiB */
    uint64_t queue_limit;  /* bytes queued for one client; 0 = 1 MiB */
    uint64_t memory_limit; /* server: bytes queued and half-read over all
                               clients; 0 = 256 MiB */
    int handshake_ms;      /* a peer's time to say hello, or to come to its
                               second pipe; 0 = 5000 */
    int connect_ms;        /* client_open: 0 = five minutes, WPIPE_FOREVER,
                               or milliseconds; 1 at the least */
    int foreign;           /* WPIPE_FOREIGN_* */
    int framing;           /* WPIPE_FRAMING_* of the foreign door */
    int second_pipe;       /* WPIPE_SECOND_PIPE_* of the foreign door */
    uint32_t threads;      /* server: how many wpipe_server_start makes, each
                               for its part of the clients; 0 = 1, at most
                               WPIPE_THREADS_MAX */
    /* Called before a peer is let in: 0 lets it in, a negative code refuses
     * it. On the thread that accepts or waits; must not call this library. */
    int (*admit)(const wpipe_peer *peer, void *admit_user);
    void *admit_user;
    char *error_text; /* buffer of the caller's: one sentence about a
                               failure, always terminated */
    size_t error_text_size;
    int linger_ms;  /* server, client: how long a close may take to hand over
                      what send accepted: 0 = 1000 ms, WPIPE_LINGER_OFF = none,
                      WPIPE_FOREVER, or milliseconds */
    int message_ms; /* server, client: a peer's time to finish a message that
                       it has begun; what we keep it from sending does not
                       count. 0 = 30000 ms, WPIPE_FOREVER, or milliseconds */
    uint64_t reserved[6]; /* zero */
} wpipe_options;

#ifdef __cplusplus
}
#endif

#endif
