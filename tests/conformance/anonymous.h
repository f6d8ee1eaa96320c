/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of anonymous pipes share: a parent's and a child's end, made
 * natively or as a system pipe. For test_anonymous*.c.
 */
#ifndef WINDPIPE_TESTS_ANONYMOUS_H
#define WINDPIPE_TESTS_ANONYMOUS_H

#include "ends.h"

#include <fcntl.h>
#include <stdlib.h>
#include <windpipe/error.h>

struct mode {
    int foreign;
    int closed; /* what a reader sees of an end that was closed */
};

extern struct mode native;
extern struct mode pipes;

struct pair {
    wpipe_stream *parent;
    wpipe_stream *child;
    char string[16];
};

static inline wpipe_options options_of(const struct mode *mode)
{
    wpipe_options o = { .size = sizeof o };

    o.foreign = mode->foreign;
    o.shared_memory = WPIPE_SHARED_AUTO;
    return o;
}

static inline int other_way(int direction)
{
    if (direction == WPIPE_DUPLEX)
        return WPIPE_DUPLEX;
    return direction == WPIPE_IN ? WPIPE_OUT : WPIPE_IN;
}

static inline int fd_of(const char *string)
{
    return (int)strtol(string, NULL, 10);
}

static inline void tell(wpipe_stream *parent, char string[16])
{
    int length = wpipe_anonymous_client_string(parent, string, 16);

    assert_true(length > 0);
    assert_int_equal(strlen(string), length);
}

static inline void make(struct pair *p, const wpipe_options *o, int direction)
{
    assert_int_equal(wpipe_anonymous(&p->parent, direction, o), 0);
    tell(p->parent, p->string);
}

static inline void open_pair(struct pair *p, const wpipe_options *o,
                             int direction)
{
    wpipe_options child = *o;

    child.foreign = WPIPE_FOREIGN_DEFAULT; /* it sees what it got */
    make(p, o, direction);
    assert_int_equal(wpipe_anonymous_open(&p->child, other_way(direction),
                                          p->string, &child),
                     0);
}

static inline void close_pair(struct pair *p)
{
    wpipe_stream_close(p->child);
    wpipe_stream_close(p->parent);
}

static inline bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static inline wpipe_stream *make_end(const struct mode *mode, int direction)
{
    wpipe_options o = options_of(mode);
    wpipe_stream *stream;

    assert_int_equal(wpipe_anonymous(&stream, direction, &o), 0);
    return stream;
}

static inline void expect_exit(int64_t pid, int status)
{
    assert_int_equal(wpipe_reap(pid, SUPPORT_WAIT_MS), status);
}

/* ---- this program as a child (roles.c) ----------------------------------- */

enum {
    ROLES_BYTES = 20 /* the role "sum": bytes * this - error is its status */
};

/* Open the end that the string names. */
wpipe_stream *roles_open(int direction, const char *string, int framing);
/* This executable. */
const char *roles_program(void);
/* Start it in a role, with the child's ends as the arguments. */
int64_t roles_start(const char *role, wpipe_stream *const *ends, int count);
/* A mebibyte each way at the same time; the role "exchange" does the same. */
void roles_exchange(wpipe_stream *stream);
/* The child's main, behind the word "child". Returns the exit status. */
int roles_main(char **argv);

#define ROLES_MAIN(cases)                                                     \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        if (argc > 2 && strcmp(argv[1], "child") == 0)                        \
            return roles_main(argv + 2);                                      \
        return support_main(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

#define BOTH(function) \
    TEST_WITH(function, &native, "native"), TEST_WITH(function, &pipes, "pipe")

#endif
