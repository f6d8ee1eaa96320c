/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that goes on in its ring and closes, just when we have looked at the
 * socket and found nothing: its end shows in shared memory at once, and
 * overtakes what says in the socket that there is a ring. What it wrote comes
 * first all the same.
 */
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <windpipe.h>

/* Called once, when so many receives have found nothing. */
static void (*meanwhile)(void);
static int looks_left;
static wpipe_stream *peer;

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t r = syscall(SYS_recvmsg, fd, message, flags);
    void (*now)(void) = meanwhile;

    if (r < 0 && errno == EAGAIN && now != NULL && looks_left-- == 0) {
        meanwhile = NULL;
        now();
        errno = EAGAIN;
    }
    return r;
}

/* It finds our segment, goes on in its own, and has no more to say. */
static void write_and_close(void)
{
    char buffer[8];

    assert_int_equal(wpipe_read(peer, buffer, sizeof buffer, 0),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_write(peer, "last", 4, 0), 4);
    wpipe_stream_close(peer);
    peer = NULL;
}

static void open_both(wpipe_stream **ret_reader)
{
    wpipe_options options = { .size = sizeof options, .type = WPIPE_MESSAGE };
    const char *name = support_unique_name();
    wpipe_listener *listener;

    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_listen(&listener, name, &options), 0);
    assert_int_equal(wpipe_connect(&peer, name, &options, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_accept(listener, ret_reader, SUPPORT_WAIT_MS), 0);
    wpipe_listener_close(listener);
}

/* Until both have offered a segment; the writer has not looked since. */
static void earn_shared_memory(wpipe_stream *reader)
{
    char buffer[8];

    for (int i = 0; i < 16; i++)
        assert_int_equal(wpipe_write(peer, "x", 1, 0), 1);
    for (int i = 0; i < 16; i++)
        assert_int_equal(wpipe_read(reader, buffer, sizeof buffer, 0), 1);
    assert_int_equal(wpipe_read(reader, buffer, sizeof buffer, 0),
                     WPIPE_ETIMEDOUT);
}

static void end_in_the_segment_comes_after_what_was_written(void **state)
{
    wpipe_stream *reader;
    char buffer[8];
    int64_t r;

    (void)state;
    for (int looks = 0; looks < 4; looks++) {
        open_both(&reader);
        earn_shared_memory(reader);
        looks_left = looks;
        meanwhile = write_and_close;
        do
            r = wpipe_read(reader, buffer, sizeof buffer, 0);
        while (r == WPIPE_ETIMEDOUT);
        assert_int_equal(r, 4);
        assert_memory_equal(buffer, "last", 4);
        assert_int_equal(wpipe_read(reader, buffer, sizeof buffer, 0),
                         WPIPE_EOF);
        wpipe_stream_close(reader);
    }
}

static const struct support_case cases[] = {
    TEST(end_in_the_segment_comes_after_what_was_written),
};

TEST_MAIN(cases)
