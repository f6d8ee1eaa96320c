/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being introduced by a server that resets, that the system does not let us
 * read, or of which nobody can tell who it is; and in a forked child.
 */
#include "connect/introduce.h"

#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/forbid.h"

/* An introduction that has begun, and the server's end of its socket. */
struct meeting {
    struct wpipe__introduced ours;
    wpipe__handle server;
};

static void meet(struct meeting *m)
{
    wpipe__handle pair[2];

    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    m->server = pair[1];
    assert_int_equal(wpipe__introduced_begin(&m->ours, pair[0]), 0);
    assert_int_equal(m->ours.uid, geteuid());
}

static void part(struct meeting *m)
{
    wpipe__introduced_done(&m->ours);
    wpipe__os_close(m->server);
}

static void say(const struct meeting *m, const void *bytes, size_t size)
{
    assert_int_equal(send(m->server, bytes, size, MSG_NOSIGNAL), size);
}

static int hear(struct meeting *m, char name[WPIPE_NAME_MAX + 1])
{
    return wpipe__introduced_read(&m->ours, "first", name);
}

static void introduced_in_parts_gives_the_name(void **state)
{
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    char name[WPIPE_NAME_MAX + 1] = "";
    size_t size =
        wpipe__introduction_make(WPIPE_SECOND_PIPE_H_PIPES, "second", bytes);
    struct meeting m;

    (void)state;
    meet(&m);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(hear(&m, name), 0);
        say(&m, bytes + i, 1);
    }
    assert_int_equal(hear(&m, name), 1);
    assert_string_equal(name, "second");
    part(&m);
}

/* It throws away what we sent, which the system calls a reset. */
static void introduced_by_one_that_resets(void **state)
{
    char name[WPIPE_NAME_MAX + 1];
    struct meeting m;

    (void)state;
    for (int words = 0; words < 2; words++) {
        meet(&m);
        assert_int_equal(send(m.ours.socket, "x", 1, MSG_NOSIGNAL), 1);
        if (words)
            say(&m, "\0\0", 2);
        wpipe__os_close(m.server);
        m.server = WPIPE__NO_HANDLE;
        if (words) {
            assert_int_equal(hear(&m, name), WPIPE_EPROTO);
            assert_non_null(strstr(m.ours.message.why, "after 2 bytes"));
        } else {
            assert_int_equal(hear(&m, name), WPIPE_EPIPE);
        }
        part(&m);
    }
}

static int read_forbidden(int fd, void *argument)
{
    char name[WPIPE_NAME_MAX + 1];
    struct meeting m;

    (void)fd;
    (void)argument;
    meet(&m);
    support_forbid(SYS_recvfrom, SUPPORT_ANY, 0, EIO);
    support_forbid(SYS_recvmsg, SUPPORT_ANY, 0, EIO);
    assert_int_equal(hear(&m, name), WPIPE_ESYSTEM);
    part(&m);
    return 0;
}

static int begin_forbidden(int fd, void *argument)
{
    struct wpipe__introduced i;
    wpipe__handle pair[2];
    char byte;

    (void)fd;
    (void)argument;
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    support_forbid(SYS_getsockopt, 2, SO_PEERCRED, ENOPROTOOPT);
    assert_int_equal(wpipe__introduced_begin(&i, pair[0]), WPIPE_EPIPE);
    assert_int_equal(i.socket, WPIPE__NO_HANDLE);
    assert_int_equal(recv(pair[1], &byte, 1, 0), 0); /* it was closed */
    wpipe__os_close(pair[1]);
    return 0;
}

static void introduced_where_the_system_refuses(void **state)
{
    struct helper helper;

    (void)state;
    helper_fork(&helper, read_forbidden, NULL);
    assert_int_equal(helper_join(&helper), 0);
    helper_fork(&helper, begin_forbidden, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static int leave(int fd, void *argument)
{
    struct meeting *m = argument;

    (void)fd;
    wpipe__introduced_done(&m->ours);
    return m->ours.socket == WPIPE__NO_HANDLE ? 0 : 1;
}

/* A forked child leaves; its parent is still being introduced. */
static void introduced_done_in_a_child_leaves_the_parent_alone(void **state)
{
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    char name[WPIPE_NAME_MAX + 1] = "";
    size_t size =
        wpipe__introduction_make(WPIPE_SECOND_PIPE_H_PIPES, "second", bytes);
    struct helper helper;
    struct meeting m;

    (void)state;
    meet(&m);
    helper_fork(&helper, leave, &m);
    assert_int_equal(helper_join(&helper), 0);
    say(&m, bytes, size);
    assert_int_equal(hear(&m, name), 1);
    assert_string_equal(name, "second");
    part(&m);
}

static const struct support_case cases[] = {
    TEST(introduced_in_parts_gives_the_name),
    TEST(introduced_by_one_that_resets),
    TEST(introduced_where_the_system_refuses),
    TEST(introduced_done_in_a_child_leaves_the_parent_alone),
};

TEST_MAIN(cases)
