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

static struct mode native = { WPIPE_FOREIGN_DEFAULT, WPIPE_EOF };
static struct mode pipes = { WPIPE_FOREIGN_ONLY, WPIPE_EOF };

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

#define BOTH(function) \
    TEST_WITH(function, &native, "native"), TEST_WITH(function, &pipes, "pipe")

#endif
