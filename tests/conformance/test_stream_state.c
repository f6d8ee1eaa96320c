/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrong states and arguments, one-way pipes, what a stream tells about itself
 * and its peer, and what a forked child may do. Rows are those of the .NET
 * conformance list and of the table of Windows' behaviour.
 */
#include "ends.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe/error.h>

/* A pair in which only `a` writes and only `b` reads. */
static void one_way_open(struct ends *ends, const struct ends_kind *kind,
                         int type)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, type);
    setup.client.direction = setup.a_is_server ? WPIPE_IN : WPIPE_OUT;
    setup.server.direction = setup.a_is_server ? WPIPE_OUT : WPIPE_IN;
    ends_open_setup(ends, &setup);
}

/* ---- NULL and impossible arguments --------------------------------------- */

static void null_stream_is_einval(void **state)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_peer peer = { .size = sizeof peer };
    wpipe_piece piece = { &facts, 1 };
    const void *view;
    size_t size;
    void *data;

    (void)state;
    assert_int_equal(wpipe_read(NULL, &size, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(NULL, &piece, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_write(NULL, &size, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_writev(NULL, &piece, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_finish(NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_peek(NULL, NULL, 0, NULL, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_drain(NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_disconnect(NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_write_begin(NULL, 1, &data, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_write_commit(NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_read_begin(NULL, &view, &size, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_read_end(NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_peer(NULL, &peer), WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_info(NULL, &facts), WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_fd(NULL), WPIPE_EINVAL);
    wpipe_write_abort(NULL);
    wpipe_stream_wake(NULL);
    wpipe_stream_close(NULL);
}

/* .NET rows 71, 72 */
static void null_buffer_is_einval(void **state)
{
    wpipe_piece pieces[2] = { { NULL, 1 }, { NULL, 0 } };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "here");
    assert_int_equal(wpipe_read(ends.b, NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, pieces, 2, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, pieces + 1, -5, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_write(ends.b, NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_writev(ends.b, pieces, 2, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_write_begin(ends.b, 1, NULL, 0), WPIPE_EINVAL);
    pieces[0].data = &ends;
    pieces[0].size = SIZE_MAX;
    pieces[1] = pieces[0];
    assert_int_equal(wpipe_writev(ends.b, pieces, 2, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, pieces, 2, 0), WPIPE_EINVAL);
    ends_expect(ends.b, "here");
    assert_int_equal(wpipe_read(ends.a, NULL, 0, 0), 0);
    ends_close(&ends);
}

/* ---- one way ------------------------------------------------------------- */

/* .NET row 74; Windows row 191 */
static void one_way_writer_cannot_read(void **state)
{
    struct ends ends;
    const void *view;
    size_t size;
    char byte;

    one_way_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_read(ends.a, &byte, 1, WPIPE_FOREVER), WPIPE_ESTATE);
    assert_int_equal(wpipe_read(ends.a, NULL, 0, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_peek(ends.a, NULL, 0, NULL, NULL), WPIPE_ESTATE);
    assert_int_equal(wpipe_read_begin(ends.a, &view, &size, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_read_end(ends.a, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, &byte, 1, 0), WPIPE_ESTATE);
    ends_close(&ends);
}

/* .NET row 73; Windows row 251 */
static void one_way_reader_cannot_write(void **state)
{
    struct ends ends;
    void *data;
    char byte;

    one_way_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write(ends.b, "x", 1, WPIPE_FOREVER), WPIPE_ESTATE);
    assert_int_equal(wpipe_write(ends.b, NULL, 0, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_finish(ends.b), WPIPE_ESTATE);
    assert_int_equal(wpipe_drain(ends.b, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_write_begin(ends.b, 1, &data, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_write_commit(ends.b, 1, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_transact(ends.b, "x", 1, &byte, 1, 0), WPIPE_ESTATE);
    wpipe_write_abort(ends.b);
    ends_close(&ends);
}

struct flow {
    struct ends ends;
    unsigned count;
};

static void send_flow(void *argument)
{
    struct flow *flow = argument;

    for (unsigned i = 0; i < flow->count; i++)
        ends_write_pattern(flow->ends.a, i * 13 % 3000, i);
    ends_close_a(&flow->ends);
}

/* .NET row 97 */
static void one_way_carries_all(void **state)
{
    struct flow flow = { .count = 500 };
    struct ends_thread thread;

    one_way_open(&flow.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, send_flow, &flow);
    for (unsigned i = 0; i < flow.count; i++)
        ends_read_pattern(flow.ends.b, i * 13 % 3000, i);
    ends_expect_end(flow.ends.b, WPIPE_EOF);
    ends_join(&thread);
    ends_close(&flow.ends);
}

/* A duplex wish meets a one-way server: the client gets the other half. */
static void one_way_server_decides(void **state)
{
    for (int direction = WPIPE_IN; direction <= WPIPE_OUT; direction++) {
        wpipe_stream_facts facts = { .size = sizeof facts };
        struct ends_setup setup;
        struct ends ends;

        ends_setup_init(&setup, *state, WPIPE_MESSAGE);
        setup.a_is_server = direction == WPIPE_OUT;
        setup.server.direction = direction;
        ends_open_setup(&ends, &setup);
        assert_int_equal(wpipe_stream_info(ends.client, &facts), 0);
        assert_int_equal(facts.direction,
                         direction == WPIPE_IN ? WPIPE_OUT : WPIPE_IN);
        assert_int_equal(wpipe_stream_info(ends.server, &facts), 0);
        assert_int_equal(facts.direction, direction);
        ends_write(ends.a, "one way");
        ends_expect(ends.b, "one way");
        assert_int_equal(wpipe_write(ends.b, "x", 1, 0), WPIPE_ESTATE);
        ends_close(&ends);
    }
}

/* .NET row 45 as on Windows: both only read, or both only write */
static void one_way_same_way_refused(void **state)
{
    for (int direction = WPIPE_IN; direction <= WPIPE_OUT; direction++) {
        struct ends_setup setup;
        struct ends ends;

        ends_setup_init(&setup, *state, WPIPE_BYTE);
        setup.server.direction = direction;
        setup.client.direction = direction;
        assert_int_equal(ends_try_setup(&ends, &setup), WPIPE_ESTATE);
    }
}

/* ---- what a stream tells ------------------------------------------------- */

/* .NET rows 125, 129, 131; Windows row 180 */
static void info_tells_type_direction_buffers(void **state)
{
    const struct ends_kind *kind = *state;
    size_t buffer = kind->buffer ? kind->buffer : 256 * KIB;

    for (int type = WPIPE_BYTE; type <= WPIPE_MESSAGE; type++) {
        wpipe_stream_facts facts = { .size = sizeof facts };
        struct ends ends;

        ends_open(&ends, kind, type);
        assert_int_equal(wpipe_stream_info(ends.a, &facts), 0);
        assert_int_equal(facts.size, sizeof facts);
        assert_int_equal(facts.type, type);
        assert_int_equal(facts.direction, WPIPE_DUPLEX);
        assert_int_equal(facts.buffer_in, buffer);
        assert_int_equal(facts.buffer_out, buffer);
        assert_int_equal(wpipe_stream_info(ends.b, &facts), 0);
        assert_int_equal(facts.type, type);
        assert_int_equal(facts.buffer_in, buffer);
        ends_close(&ends);
    }
}

/* Unequal wishes: the smaller one of writer and reader, each way. */
static void info_tells_agreed_buffers(void **state)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    struct ends_setup setup;
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.client.buffer_in = 8192;
    setup.client.buffer_out = 65536;
    setup.server.buffer_in = 16384;
    setup.server.buffer_out = 5000; /* rounded up: 8192 */
    setup.a_is_server = 1;
    ends_open_setup(&ends, &setup);
    assert_int_equal(wpipe_stream_info(ends.client, &facts), 0);
    assert_int_equal(facts.buffer_in, 8192);
    assert_int_equal(facts.buffer_out, 16384);
    assert_int_equal(wpipe_stream_info(ends.server, &facts), 0);
    assert_int_equal(facts.buffer_in, 16384);
    assert_int_equal(facts.buffer_out, 8192);
    for (unsigned i = 0; i < 100; i++) {
        ends_write_pattern(ends.a, i * 20, i);
        ends_read_pattern(ends.b, i * 20, i);
        ends_write_pattern(ends.b, i * 30, i);
        ends_read_pattern(ends.a, i * 30, i);
    }
    ends_close(&ends);
}

static void info_counts_messages_and_bytes(void **state)
{
    wpipe_stream_facts before[2] = { { .size = sizeof *before },
                                     { .size = sizeof *before } };
    wpipe_stream_facts after[2] = { { .size = sizeof *before },
                                    { .size = sizeof *before } };
    struct ends ends;
    char buf[4];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_stream_info(ends.a, &before[0]), 0);
    assert_int_equal(wpipe_stream_info(ends.b, &before[1]), 0);
    ends_write(ends.a, "0123456789");
    ends_write(ends.a, "");
    ends_write(ends.b, "back");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_stream_info(ends.b, &after[1]), 0);
    assert_int_equal(after[1].messages_in, before[1].messages_in);
    assert_int_equal(after[1].bytes_in - before[1].bytes_in, 4);
    ends_expect(ends.b, "456789");
    ends_expect(ends.b, "");
    ends_expect(ends.a, "back");
    assert_int_equal(wpipe_stream_info(ends.a, &after[0]), 0);
    assert_int_equal(wpipe_stream_info(ends.b, &after[1]), 0);
    assert_int_equal(after[0].messages_out - before[0].messages_out, 2);
    assert_int_equal(after[0].bytes_out - before[0].bytes_out, 10);
    assert_int_equal(after[0].messages_in - before[0].messages_in, 1);
    assert_int_equal(after[0].bytes_in - before[0].bytes_in, 4);
    assert_int_equal(after[1].messages_in - before[1].messages_in, 2);
    assert_int_equal(after[1].bytes_in - before[1].bytes_in, 10);
    assert_int_equal(after[1].messages_out - before[1].messages_out, 1);
    ends_close(&ends);
}

/* Zero-copy counts as well; what was withdrawn does not. */
static void info_counts_what_arrives(void **state)
{
    wpipe_stream_facts before = { .size = sizeof before };
    wpipe_stream_facts after = { .size = sizeof after };
    static uint8_t bytes[5];
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_stream_info(ends.a, &before), 0);
    assert_int_equal(wpipe_write_begin(ends.a, 9, &data, SUPPORT_WAIT_MS), 0);
    memset(data, 0, 9);
    assert_int_equal(wpipe_write_commit(ends.a, 5, 1), 5);
    ends_write(ends.a, "abc");
    assert_int_equal(wpipe_stream_info(ends.a, &after), 0);
    assert_int_equal(after.messages_out - before.messages_out, 1);
    assert_int_equal(after.bytes_out - before.bytes_out, 8);
    assert_int_equal(wpipe_read(ends.b, bytes, 5, SUPPORT_WAIT_MS), 5);
    assert_int_equal(wpipe_read(ends.b, bytes, 5, SUPPORT_WAIT_MS), 3);
    assert_int_equal(wpipe_write(ends.a, data, SIZE_MAX / 4, 0),
                     WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_stream_info(ends.a, &after), 0);
    assert_int_equal(after.messages_out - before.messages_out, 1);
    assert_int_equal(after.bytes_out - before.bytes_out, 8);
    ends_close(&ends);
}

static void info_older_caller_gets_its_part(void **state)
{
    wpipe_stream_facts facts;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    memset(&facts, 0x5a, sizeof facts);
    facts.size = offsetof(wpipe_stream_facts, messages_in);
    assert_int_equal(wpipe_stream_info(ends.a, &facts), 0);
    assert_int_equal(facts.type, WPIPE_MESSAGE);
    assert_int_equal(facts.messages_in, 0x5a5a5a5a5a5a5a5a);
    facts.size = 0;
    assert_int_equal(wpipe_stream_info(ends.a, &facts), WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_info(ends.a, NULL), WPIPE_EINVAL);
    ends_close(&ends);
}

static void info_answers_after_the_end(void **state)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_peer peer = { .size = sizeof peer };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_disconnect(ends.server), 0);
    assert_int_equal(wpipe_stream_info(ends.server, &facts), 0);
    assert_int_equal(wpipe_stream_info(ends.client, &facts), 0);
    assert_int_equal(wpipe_stream_peer(ends.server, &peer), 0);
    assert_int_equal(facts.type, WPIPE_MESSAGE);
    ends_close(&ends);
}

static void peer_is_this_process(void **state)
{
    wpipe_peer peer = { .size = sizeof peer };
    char program[64] = "";
    char *slash;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_stream_peer(ends.a, &peer), 0);
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(peer.gid, getegid());
    assert_int_equal(peer.pid, getpid());
    assert_true(readlink("/proc/self/exe", program, 63) < 0 || peer.program[0]);
    slash = strrchr(peer.program, '/');
    assert_null(slash);
    peer.size = 0;
    assert_int_equal(wpipe_stream_peer(ends.a, &peer), WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_peer(ends.a, NULL), WPIPE_EINVAL);
    ends_close(&ends);
}

/* ---- fork ---------------------------------------------------------------- */

/* Runs in a forked child: its result is the exit status, 0 is fine. */
static int child_of(int (*run)(struct ends *ends), struct ends *ends)
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run(ends));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int close_only(struct ends *ends)
{
    ends_close(ends);
    return 0;
}

/* A child that closes takes nothing from its parent. */
static void fork_child_closes_parent_goes_on(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    (void)wpipe_stream_fd(ends.b);
    ends_write(ends.a, "before");
    assert_int_equal(child_of(close_only, &ends), 0);
    ends_expect(ends.b, "before");
    for (int i = 0; i < 20; i++) {
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
        ends_write(ends.b, "back");
        ends_expect(ends.a, "back");
    }
    ends_close(&ends);
}

static int use_nothing(struct ends *ends)
{
    const void *view;
    size_t size;
    void *data;
    char byte;
    int bad = 0;

    bad += wpipe_read(ends->b, &byte, 1, 0) != WPIPE_ESTATE;
    bad += wpipe_write(ends->a, "x", 1, 0) != WPIPE_ESTATE;
    bad += wpipe_peek(ends->b, NULL, 0, NULL, NULL) != WPIPE_ESTATE;
    bad += wpipe_drain(ends->a, 0) != WPIPE_ESTATE;
    bad += wpipe_finish(ends->a) != WPIPE_ESTATE;
    bad += wpipe_disconnect(ends->server) != WPIPE_ESTATE;
    bad += wpipe_transact(ends->a, "x", 1, &byte, 1, 0) != WPIPE_ESTATE;
    bad += wpipe_write_begin(ends->a, 1, &data, 0) != WPIPE_ESTATE;
    bad += wpipe_write_commit(ends->a, 1, 0) != WPIPE_ESTATE;
    bad += wpipe_read_begin(ends->b, &view, &size, 0) != WPIPE_ESTATE;
    bad += wpipe_read_end(ends->b, 0) != WPIPE_ESTATE;
    bad += wpipe_stream_fd(ends->b) != WPIPE_ESTATE;
    wpipe_write_abort(ends->a);
    wpipe_stream_wake(ends->b);
    ends_close(ends);
    return bad;
}

static void fork_child_can_use_nothing(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "mine");
    assert_int_equal(child_of(use_nothing, &ends), 0);
    ends_expect(ends.b, "mine");
    ends_close(&ends);
}

static void wait_woken(void *argument)
{
    char byte;

    assert_int_equal(wpipe_read(argument, &byte, 1, WPIPE_FOREVER),
                     WPIPE_EWOKEN);
}

static void drain_woken(void *argument)
{
    assert_int_equal(wpipe_drain(argument, WPIPE_FOREVER), WPIPE_EWOKEN);
}

/* Close never blocks: not in a child whose parent's threads wait, either. */
static void fork_child_closes_while_parent_waits(void **state)
{
    struct ends_thread reader;
    struct ends_thread drainer;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "unread");
    ends_start(&reader, wait_woken, ends.a);
    ends_wait_asleep(&reader);
    ends_start(&drainer, drain_woken, ends.a);
    ends_wait_asleep(&drainer);
    assert_int_equal(child_of(close_only, &ends), 0);
    wpipe_stream_wake(ends.a);
    ends_join(&reader);
    ends_join(&drainer);
    ends_expect(ends.b, "unread");
    ends_close(&ends);
}

/* A child's copy of a descriptor must not keep the end from being seen. */
static int pause_then_close(struct ends *ends)
{
    ends_close(ends);
    return 0;
}

static void fork_close_is_seen_after_child_closed(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(child_of(pause_then_close, &ends), 0);
    ends_close_a(&ends);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH_OF(null_stream_is_einval, ENDS_FEW),
    EACH(null_buffer_is_einval),
    EACH(one_way_writer_cannot_read),
    EACH(one_way_reader_cannot_write),
    EACH(one_way_carries_all),
    EACH(one_way_server_decides),
    EACH_OF(one_way_same_way_refused, ENDS_FEW),
    EACH(info_tells_type_direction_buffers),
    EACH(info_tells_agreed_buffers),
    EACH(info_counts_messages_and_bytes),
    EACH(info_counts_what_arrives),
    EACH(info_older_caller_gets_its_part),
    EACH(info_answers_after_the_end),
    EACH_OF(peer_is_this_process, ENDS_FEW),
    EACH(fork_child_closes_parent_goes_on),
    EACH(fork_child_can_use_nothing),
    EACH(fork_child_closes_while_parent_waits),
    EACH(fork_close_is_seen_after_child_closed),
};

ENDS_MAIN(cases)
