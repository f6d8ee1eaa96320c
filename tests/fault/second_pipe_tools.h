/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of second pipes share: programs that are not windpipe and
 * speak as H.Pipes does, on plain sockets. A message is its length in four
 * bytes, highest first, and its bytes; so is the name of a second pipe.
 */
#ifndef WINDPIPE_TESTS_FAULT_SECOND_PIPE_TOOLS_H
#define WINDPIPE_TESTS_FAULT_SECOND_PIPE_TOOLS_H

#include "unit/door_foreign_tools.h"

#include <windpipe.h>

/* With room for an explanation. */
static inline wpipe_options sent_on(void)
{
    wpipe_options o = plain();

    o.foreign = WPIPE_FOREIGN_ONLY;
    o.framing = WPIPE_FRAMING_BE32;
    o.second_pipe = WPIPE_SECOND_PIPE_H_PIPES;
    return o;
}

/* ---- messages ------------------------------------------------------------ */

static inline void plain_send(int fd, const void *data, size_t size)
{
    uint8_t header[4] = { 0, 0, (uint8_t)(size >> 8), (uint8_t)size };

    assert_true(size < 65536);
    assert_int_equal(send(fd, header, 4, MSG_NOSIGNAL), 4);
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* All of it; false at the end of the stream. */
static inline bool plain_read(int fd, void *buf, size_t size)
{
    char *p = buf;
    ssize_t n;

    while (size > 0) {
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        n = recv(fd, p, size, 0);
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

/* A message as a string. */
static inline const char *plain_receive(int fd)
{
    static char text[512];
    uint8_t header[4];
    size_t size;

    assert_true(plain_read(fd, header, 4));
    size = (size_t)header[2] << 8 | header[3];
    assert_int_equal(header[0] | header[1], 0);
    assert_true(size < sizeof(text));
    assert_true(plain_read(fd, text, size));
    text[size] = '\0';
    return text;
}

/* The other end has closed. */
static inline void plain_expect_end(int fd)
{
    char byte;

    assert_false(plain_read(fd, &byte, 1));
}

/* ---- a client ------------------------------------------------------------ */

/* At the first door. */
static inline int plain_knock(const char *name)
{
    int fd = plain_client(door_path(name));

    assert_int_not_equal(fd, -1);
    return fd;
}

/* What it is told there; the server has turned it away then. */
static inline void plain_told(int fd, char ret_name[256])
{
    const char *name = plain_receive(fd);

    assert_true(strlen(name) < 256);
    memcpy(ret_name, name, strlen(name) + 1);
    plain_expect_end(fd);
    close(fd);
}

/* ---- our server ---------------------------------------------------------- */

static inline void next_event(wpipe_server *s, wpipe_event *e, int type)
{
    assert_int_equal(wpipe_server_wait(s, e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e->type, type);
}

/* Nothing happens. */
static inline void no_event(wpipe_server *s)
{
    wpipe_event e;

    assert_int_equal(wpipe_server_wait(s, &e, 0), WPIPE_ETIMEDOUT);
}

/* A client that goes all the way; its socket. */
static inline int plain_join(wpipe_server *s, const char *name,
                             wpipe_id *ret_id)
{
    char second[256];
    wpipe_event e;
    int fd = plain_knock(name);

    no_event(s);
    plain_told(fd, second);
    fd = plain_knock(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    *ret_id = e.from;
    return fd;
}

/* The server and this client of it get on. */
static inline void assert_talks(wpipe_server *s, int fd, wpipe_id id)
{
    wpipe_event e;

    plain_send(fd, "ping", 4);
    next_event(s, &e, WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.from, id);
    assert_int_equal(e.size, 4);
    assert_memory_equal(e.data, "ping", 4);
    assert_int_equal(wpipe_server_send(s, id, "pong", 4), 0);
    assert_string_equal(plain_receive(fd), "pong");
}

#endif
