/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storm of connections, for as long as WINDPIPE_SOAK_SECONDS says: clients
 * come, say a word, hear it, and go, by a close or by a kill of the whole
 * process. The server's memory and descriptors are what they were.
 */
#include "support.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

enum {
    WARM_UP = 2000,   /* connections before memory is looked at */
    EACH_HELPER = 500 /* then it is killed, and another one started */
};

static wpipe_stream *say_a_word(const char *name, int shared_memory)
{
    const wpipe_options options = { .size = sizeof options,
                                    .type = WPIPE_MESSAGE,
                                    .shared_memory = shared_memory };
    wpipe_stream *stream = NULL;
    char back[8];

    assert_int_equal(wpipe_connect(&stream, name, &options, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_write(stream, "word", 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_read(stream, back, sizeof back, SUPPORT_WAIT_MS), 4);
    return stream;
}

static int come_and_go(int fd, void *argument)
{
    for (int i = 0; i < EACH_HELPER; i++)
        wpipe_stream_close(
            say_a_word(argument, i % 2 ? WPIPE_SHARED_NOW : WPIPE_SHARED_AUTO));
    (void)say_a_word(argument, WPIPE_SHARED_NOW);
    event_send(fd, 1);
    (void)event_wait(fd); /* killed here */
    return 0;
}

/* Until that helper is killed, and its last one told of. How many came. */
static long serve_a_helper(wpipe_server *server)
{
    struct helper helper;
    wpipe_event e;
    long came = 0;

    helper_start(&helper, come_and_go,
                 (void *)(uintptr_t)wpipe_server_name(server));
    while (helper.pid >= 0 || wpipe_server_count(server) > 0) {
        if (helper.pid >= 0 && came > EACH_HELPER &&
            support_wait_readable(helper.fd, 0))
            helper_kill(&helper);
        if (wpipe_server_wait(server, &e, 20) != 1)
            continue;
        came += e.type == WPIPE_EVENT_CONNECTED;
        assert_int_not_equal(e.type, WPIPE_EVENT_REFUSED);
        if (e.type == WPIPE_EVENT_MESSAGE)
            assert_int_equal(wpipe_server_send(server, e.from, e.data, e.size),
                             0);
    }
    while (wpipe_server_wait(server, &e, 0) == 1)
        ;
    return came;
}

static void storm_leaves_nothing(void **state)
{
    const int64_t until = support_now_ms() + support_soak_ms();
    wpipe_server *server = NULL;
    long came = 0;
    size_t descriptors = 0;
    size_t memory = 0;
    size_t now;

    (void)state;
    assert_int_equal(wpipe_server_open(&server, support_unique_name(), NULL),
                     0);
    while (came < WARM_UP)
        came += serve_a_helper(server);
    memory = mallinfo2().uordblks;
    descriptors = support_count_descriptors();
    do
        came += serve_a_helper(server);
    while (support_now_ms() < until);
    assert_true(support_wait_descriptors(descriptors));
    now = mallinfo2().uordblks;
    printf("%ld connections, %zu bytes before, %zu after\n", came, memory, now);
    if (now > memory + 4096)
        fail_msg("%ld connections, %zu bytes before, %zu after", came, memory,
                 now);
    wpipe_server_close(server);
}

static const struct support_case cases[] = {
    TEST_SOAK(storm_leaves_nothing),
};

TEST_MAIN(cases)
