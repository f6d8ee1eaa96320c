/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous pipes between a parent and a child: this program again, started
 * with wpipe_spawn in one of its roles, or a fork. Rows are those of the .NET
 * conformance list.
 */
#include "anonymous.h"

#include <signal.h>
#include <unistd.h>

/* .NET row 115: two strings, local copies released */
static void child_answers_hundred_with_two_hundred(void **state)
{
    wpipe_stream *ends[] = { make_end(*state, WPIPE_OUT),
                             make_end(*state, WPIPE_IN) };
    size_t before = support_count_descriptors();
    int64_t pid = roles_start("hundred", ends, 2);
    uint8_t byte = 100;

    assert_int_equal(support_count_descriptors(), before - 2);
    assert_int_equal(wpipe_write(ends[0], &byte, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(wpipe_read(ends[1], &byte, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(byte, 200);
    ends_expect_end(ends[1], WPIPE_EOF);
    expect_exit(pid, 0);
    wpipe_stream_close(ends[0]);
    wpipe_stream_close(ends[1]);
}

/* .NET row 117 */
static void child_closes_parent_reads_then_eof(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    int64_t pid = roles_start("count", &end, 1);

    ends_expect_bytes(end, "\1\2\3\4\5");
    ends_expect_end(end, WPIPE_EOF);
    expect_exit(pid, 0);
    wpipe_stream_close(end);
}

/* .NET row 116 */
static void child_reads_then_eof_when_parent_closes(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_OUT);
    int64_t pid = roles_start("sum", &end, 1);

    ends_write(end, "\1\2\3\4\5");
    wpipe_stream_close(end);
    expect_exit(pid, 5 * ROLES_BYTES - WPIPE_EOF);
}

/* The parent has left before the child can have looked. */
static void child_of_hasty_parent_reads_all(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_OUT);
    int64_t pid;

    ends_write(end, "\1\2\3\4");
    pid = roles_start("sum", &end, 1);
    wpipe_stream_close(end);
    expect_exit(pid, 4 * ROLES_BYTES - WPIPE_EOF);
}

/* A parent that makes a child, and is then killed. */
static int doomed_parent(int fd, void *argument)
{
    wpipe_stream *end = make_end(argument, WPIPE_OUT);
    int64_t pid;

    pid = roles_start("sum", &end, 1);
    ends_write(end, "\1\2\3");
    event_send(fd, (uint32_t)pid);
    for (;;)
        pause();
    return 0;
}

static void child_sees_the_death_of_its_parent(void **state)
{
    struct helper helper = HELPER_NONE;
    int64_t pid;

    helper_start(&helper, doomed_parent, *state);
    pid = event_wait(helper.fd);
    helper_kill(&helper);
    /* it is ours to reap now; a system pipe cannot tell death from an end */
    expect_exit(pid,
                3 * ROLES_BYTES - (*state == &pipes ? WPIPE_EOF : WPIPE_EDIED));
}

static void child_dies_parent_sees_it(void **state)
{
    int death = *state == &pipes ? WPIPE_EOF : WPIPE_EDIED;
    wpipe_stream *ends[] = { make_end(*state, WPIPE_OUT),
                             make_end(*state, WPIPE_IN) };
    int64_t pid = roles_start("hold", ends, 2);

    ends_expect_bytes(ends[1], "!");
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    ends_expect_end(ends[1], death);
    expect_exit(pid, 128 + SIGKILL); /* by now all its ends are closed */
    assert_int_equal(wpipe_write(ends[0], "x", 1, SUPPORT_WAIT_MS),
                     death == WPIPE_EOF ? WPIPE_EPIPE : WPIPE_EDIED);
    wpipe_stream_close(ends[0]);
    wpipe_stream_close(ends[1]);
}

struct writer {
    wpipe_stream *stream;
    int64_t result;
};

static void write_until_it_ends(void *argument)
{
    static uint8_t block[64 * 1024];
    struct writer *w = argument;

    do
        w->result = wpipe_write(w->stream, block, sizeof block, WPIPE_FOREVER);
    while (w->result > 0);
}

static void child_dies_blocked_writer_wakes(void **state)
{
    wpipe_stream *ends[] = { make_end(*state, WPIPE_OUT),
                             make_end(*state, WPIPE_IN) };
    int64_t pid = roles_start("hold", ends, 2);
    struct writer writer = { .stream = ends[0] };
    struct ends_thread thread;

    ends_expect_bytes(ends[1], "!");
    ends_start(&thread, write_until_it_ends, &writer);
    ends_wait_asleep(&thread);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    ends_join(&thread);
    assert_int_equal(writer.result,
                     *state == &pipes ? WPIPE_EPIPE : WPIPE_EDIED);
    expect_exit(pid, 128 + SIGKILL);
    wpipe_stream_close(ends[0]);
    wpipe_stream_close(ends[1]);
}

/* ---- fork ---------------------------------------------------------------- */

struct forked {
    struct pair pair;
    bool dies;
};

/* .NET row 113 */
static int forked_child(int fd, void *argument)
{
    struct forked *f = argument;
    wpipe_stream *out;

    (void)fd;
    wpipe_stream_close(f->pair.parent); /* ours is the other end */
    out = roles_open(WPIPE_OUT, f->pair.string, 0);
    ends_write(out, "\1\2\3\4\5");
    if (f->dies)
        raise(SIGKILL);
    wpipe_stream_close(out);
    return 0;
}

static void forked_child_opens_and_parent_goes_on(void **state)
{
    wpipe_options o = options_of(*state);
    struct helper helper = HELPER_NONE;
    struct forked forked = { .dies = false };

    make(&forked.pair, &o, WPIPE_IN);
    helper_fork(&helper, forked_child, &forked);
    assert_int_equal(wpipe_anonymous_release_client(forked.pair.parent), 0);
    ends_expect_bytes(forked.pair.parent, "\1\2\3\4\5");
    ends_expect_end(forked.pair.parent, WPIPE_EOF);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_stream_close(forked.pair.parent);
}

/* The end of the child is not seen while we hold a copy of its end. */
static void end_of_the_child_shows_after_release(void **state)
{
    wpipe_options o = options_of(*state);
    struct helper helper = HELPER_NONE;
    struct forked forked = { .dies = true };
    wpipe_stream *parent;
    char buf[4];

    make(&forked.pair, &o, WPIPE_IN);
    parent = forked.pair.parent;
    helper_fork(&helper, forked_child, &forked);
    assert_int_equal(helper_join(&helper), -SIGKILL);
    ends_expect_bytes(parent, "\1\2\3\4\5");
    assert_int_equal(wpipe_read(parent, buf, 4, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(parent, buf, 4, 20), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_anonymous_release_client(parent), 0);
    ends_expect_end(parent, *state == &pipes ? WPIPE_EOF : WPIPE_EDIED);
    wpipe_stream_close(parent);
}

static int forked_stranger(int fd, void *argument)
{
    struct pair *p = argument;
    char string[16];

    (void)fd;
    /* a child may only close what its parent opened */
    assert_int_equal(wpipe_anonymous_client_string(p->parent, string, 16),
                     WPIPE_ESTATE);
    assert_int_equal(wpipe_spawn(&(int64_t){ 0 },
                                 (const char *const[]){ "true", NULL },
                                 &p->parent, 1),
                     WPIPE_ESTATE);
    assert_int_equal(wpipe_anonymous_release_client(p->parent), 0);
    assert_false(is_open(fd_of(p->string)));
    wpipe_stream_close(p->parent);
    return 0;
}

static void forked_child_may_only_close(void **state)
{
    wpipe_options o = options_of(*state);
    struct helper helper = HELPER_NONE;
    struct pair p;

    make(&p, &o, WPIPE_OUT);
    helper_fork(&helper, forked_stranger, &p);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, p.string, NULL),
                     0);
    ends_write(p.parent, "unharmed");
    ends_expect_bytes(p.child, "unharmed");
    close_pair(&p);
}

/* ---- a lot of it --------------------------------------------------------- */

static void duplex_mebibytes_pass_in_shared_memory(void **state)
{
    wpipe_options o = options_of(&native);
    wpipe_stream *end;
    int64_t pid;

    (void)state;
    o.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_anonymous(&end, WPIPE_DUPLEX, &o), 0);
    pid = roles_start("exchange", &end, 1);
    roles_exchange(end);
    assert_int_equal(ends_shared(end), 2);
    wpipe_stream_close(end);
    expect_exit(pid, 0);
}

static void framed_mebibytes_pass_two_pipes(void **state)
{
    wpipe_options o = options_of(&pipes);
    wpipe_stream *ends[2];
    int64_t pid;

    (void)state;
    o.framing = WPIPE_FRAMING_LE32;
    assert_int_equal(wpipe_anonymous(&ends[0], WPIPE_OUT, &o), 0);
    assert_int_equal(wpipe_anonymous(&ends[1], WPIPE_IN, &o), 0);
    pid = roles_start("echo", ends, 2);
    for (uint64_t seed = 0; seed < 4; seed++) {
        ends_write_pattern(ends[0], MIB - seed, seed);
        ends_read_pattern(ends[1], MIB - seed, seed);
    }
    wpipe_stream_close(ends[0]);
    ends_expect_end(ends[1], WPIPE_EOF);
    expect_exit(pid, 0);
    wpipe_stream_close(ends[1]);
}

/* A shell takes a system pipe as it is. */
static void shell_reads_and_writes_lines(void **state)
{
    static const char *const arguments[] = {
        "sh", "-c", "read line <&$0 && echo got $line >&$1", "{0}", "{1}", NULL
    };
    wpipe_options o = options_of(&pipes);
    wpipe_stream *ends[2];
    int64_t pid;

    (void)state;
    o.framing = WPIPE_FRAMING_LINES;
    assert_int_equal(wpipe_anonymous(&ends[0], WPIPE_OUT, &o), 0);
    assert_int_equal(wpipe_anonymous(&ends[1], WPIPE_IN, &o), 0);
    assert_int_equal(wpipe_spawn(&pid, arguments, ends, 2), 0);
    ends_write(ends[0], "a line");
    ends_expect(ends[1], "got a line");
    ends_expect_end(ends[1], WPIPE_EOF);
    expect_exit(pid, 0);
    wpipe_stream_close(ends[0]);
    wpipe_stream_close(ends[1]);
}

static const struct support_case cases[] = {
    BOTH(child_answers_hundred_with_two_hundred),
    BOTH(child_closes_parent_reads_then_eof),
    BOTH(child_reads_then_eof_when_parent_closes),
    BOTH(child_of_hasty_parent_reads_all),
    BOTH(child_sees_the_death_of_its_parent),
    BOTH(child_dies_parent_sees_it),
    BOTH(child_dies_blocked_writer_wakes),
    BOTH(forked_child_opens_and_parent_goes_on),
    BOTH(end_of_the_child_shows_after_release),
    BOTH(forked_child_may_only_close),
    TEST(duplex_mebibytes_pass_in_shared_memory),
    TEST(framed_mebibytes_pass_two_pipes),
    TEST(shell_reads_and_writes_lines),
};

ROLES_MAIN(cases)
