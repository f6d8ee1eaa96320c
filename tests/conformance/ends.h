/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connected ends in every way that a connection can come about: framed on
 * its socket for good, in shared memory from the start, moving there while the
 * case runs, and so on. A conformance case is written once, against a pair of
 * ends, and ENDS_MAIN runs it over each of them by construction. For the
 * stream tests of this folder.
 *
 * A case writes on `a` and reads on `b`. Which of them is the server's end
 * differs from kind to kind, so that both directions are covered.
 */
#ifndef WINDPIPE_TESTS_ENDS_H
#define WINDPIPE_TESTS_ENDS_H

#include "support.h"

#include <pthread.h>
#include <string.h>
#include <windpipe/stream.h>

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

/* Which kinds a case runs over. */
enum ends_set {
    ENDS_ALL = 0xff,
    ENDS_FRAMED = 1,    /* stay on the socket */
    ENDS_SHARED = 2,    /* both ways in shared memory before the case begins */
    ENDS_SWITCHING = 4, /* get there while the case runs */
    ENDS_FEW = 8,       /* one of each, for cases that take long */
    ENDS_ONCE = 16,     /* a single one, for cases that make their own */
    /* Shared, both ends over the same two mappings: a thread sanitizer sees no
     * connection between two mappings of one memory, and so no race in it.
     * Not in ENDS_ALL: both ends must be idle when they are closed. */
    ENDS_ONE_MAPPING = 256
};

/* One way to be connected. */
struct ends_kind {
    const char *name;
    int set;              /* of enum ends_set */
    int shared_memory[2]; /* WPIPE_SHARED_* of the client and the server */
    uint32_t buffer;      /* bytes each way; 0 = default */
    int warm;             /* messages that pass before the case begins */
    int a_is_server;
    int spin_us;
    int no_memory; /* sealed memory is not to be had */
    int named;     /* by listen, connect and accept */
};

struct ends_setup {
    const struct ends_kind *kind;
    int a_is_server; /* as the kind says, unless the case changes it */
    wpipe_options client;
    wpipe_options server;
};

struct ends {
    wpipe_stream *a;
    wpipe_stream *b;
    wpipe_stream *client; /* the same two */
    wpipe_stream *server;
    int one_mapping;
};

/* The options of the kind, to be changed before ends_open_setup. */
void ends_setup_init(struct ends_setup *setup, const struct ends_kind *kind,
                     int type);

/* A connected pair. `kind` is what a case finds in *state. */
void ends_open(struct ends *ends, const struct ends_kind *kind, int type);
void ends_open_setup(struct ends *ends, const struct ends_setup *setup);
/* 0, or the first error of making it; nothing is left then. */
int ends_try_setup(struct ends *ends, const struct ends_setup *setup);

/* Takes ends of which one or both are closed already (NULL). */
void ends_close(struct ends *ends);
void ends_close_a(struct ends *ends);
void ends_close_b(struct ends *ends);

/* Let both ends look at their sockets until nothing is on the way. */
void ends_settle(const struct ends *ends);
/* wpipe_stream_facts.shared of the stream. */
int ends_shared(const wpipe_stream *stream);
/* Bytes of ring from a to b. */
size_t ends_ring(const struct ends *ends);

/* ---- words of the cases -------------------------------------------------- */

/* The whole text is written, as one message on a message pipe. */
void ends_write(wpipe_stream *stream, const char *text);
/* One message comes and it is this. */
void ends_expect(wpipe_stream *stream, const char *text);
/* So many bytes come, in as many reads as it takes, and they are these. */
void ends_expect_bytes(wpipe_stream *stream, const char *text);
/* A read tells the end: this error, again and again, without waiting. */
void ends_expect_end(wpipe_stream *stream, int error);

/* Bytes that tell their place: `seed` names the message. */
void ends_fill(uint8_t *buf, size_t size, uint64_t seed);
void ends_check(const uint8_t *buf, size_t size, uint64_t seed);
/* The same with the buffer made and freed. */
void ends_write_pattern(wpipe_stream *stream, size_t size, uint64_t seed);
void ends_read_pattern(wpipe_stream *stream, size_t size, uint64_t seed);

/* Numbers that look random and are the same in every run. */
uint64_t ends_random(uint64_t *state);

/* A thread of the case; joined before the case ends. */
struct ends_thread {
    pthread_t system;
    void (*run)(void *argument);
    void *argument;
    pid_t tid;
};
void ends_start(struct ends_thread *thread, void (*run)(void *argument),
                void *argument);
void ends_join(struct ends_thread *thread);
/* Until the thread sleeps in the kernel: it has nothing else to do. */
void ends_wait_asleep(struct ends_thread *thread);

/* ---- the table ----------------------------------------------------------- */

struct ends_case {
    const char *name;
    void (*run)(void **state);
    int sets;  /* ENDS_ALL or sets in a disjunction */
    int flags; /* SUPPORT_SLOW */
};

#define EACH(function)                   \
    {                                    \
#function, function, ENDS_ALL, 0 \
    }
#define EACH_SEEN(function)                                 \
    {                                                       \
#function, function, ENDS_ALL | ENDS_ONE_MAPPING, 0 \
    }
#define EACH_OF(function, sets)      \
    {                                \
#function, function, sets, 0 \
    }
#define EACH_SLOW(function, sets)               \
    {                                           \
#function, function, sets, SUPPORT_SLOW \
    }

#define ENDS_MAIN(cases)                                                   \
    int main(int argc, char **argv)                                        \
    {                                                                      \
        return ends_main(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

int ends_main(int argc, char **argv, const struct ends_case *cases,
              size_t count);

#endif
