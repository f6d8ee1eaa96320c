/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous pipes, both ends in one process: bytes through, ends, the string.
 * Every case that can runs natively and over a system pipe. Rows are those of
 * the .NET conformance list and of the table of Windows' behaviour. What is
 * refused is in test_anonymous_open.c, children in test_anonymous_child.c.
 */
#include "anonymous.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- bytes through ------------------------------------------------------- */

/* .NET rows 122, 123 */
static void anonymous_bytes_pass_in_both_directions(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "to the child");
    ends_expect_bytes(p.child, "to the child");
    close_pair(&p);
    open_pair(&p, &o, WPIPE_IN);
    ends_write(p.child, "to the parent");
    ends_expect_bytes(p.parent, "to the parent");
    close_pair(&p);
}

static void anonymous_default_is_native_bytes(void **state)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    char string[16];
    wpipe_stream *parent;
    wpipe_stream *child;

    (void)state;
    assert_int_equal(wpipe_anonymous(&parent, WPIPE_DUPLEX, NULL), 0);
    tell(parent, string);
    assert_int_equal(wpipe_anonymous_open(&child, WPIPE_DUPLEX, string, NULL),
                     0);
    assert_int_equal(wpipe_stream_info(child, &facts), 0);
    assert_int_equal(facts.type, WPIPE_BYTE);
    assert_int_equal(facts.direction, WPIPE_DUPLEX);
    ends_write(parent, "there");
    ends_expect_bytes(child, "there");
    ends_write(child, "back");
    ends_expect_bytes(parent, "back");
    wpipe_stream_close(parent);
    wpipe_stream_close(child);
}

static void anonymous_parent_writes_before_the_child_opens(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    make(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "early ");
    ends_write(p.parent, "bird");
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, p.string, NULL),
                     0);
    ends_expect_bytes(p.child, "early bird");
    ends_write(p.parent, "!");
    ends_expect_bytes(p.child, "!");
    close_pair(&p);
}

/* .NET row 116; Windows row 297: the parent is gone when the child opens */
static void anonymous_parent_closes_before_the_child_opens(void **state)
{
    const struct mode *mode = *state;
    wpipe_options o = options_of(mode);
    struct pair p;
    char string[16];

    make(&p, &o, WPIPE_OUT);
    snprintf(string, sizeof string, "%d", dup(fd_of(p.string)));
    ends_write(p.parent, "\1\2\3\4\5");
    wpipe_stream_close(p.parent);
    assert_false(is_open(fd_of(p.string)));
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, string, NULL), 0);
    ends_expect_bytes(p.child, "\1\2\3\4\5");
    ends_expect_end(p.child, mode->closed);
    wpipe_stream_close(p.child);
}

/* .NET row 124 */
static void anonymous_release_keeps_what_was_written(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;
    int copy;

    make(&p, &o, WPIPE_IN);
    copy = dup(fd_of(p.string));
    snprintf(p.string, sizeof p.string, "%d", copy);
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_OUT, p.string, NULL),
                     0);
    ends_write(p.child, "x");
    assert_int_equal(wpipe_anonymous_release_client(p.parent), 0);
    ends_expect_bytes(p.parent, "x");
    close_pair(&p);
}

/* Windows rows 296, 301: within the buffer nobody waits for a reader */
static void anonymous_one_thread_writes_closes_reads(void **state)
{
    const struct mode *mode = *state;
    wpipe_options o = options_of(mode);
    struct pair p;

    o.buffer_out = 64 * KIB;
    open_pair(&p, &o, WPIPE_OUT);
    ends_write_pattern(p.parent, 32 * KIB, 7);
    wpipe_stream_close(p.parent);
    ends_read_pattern(p.child, 32 * KIB, 7);
    ends_expect_end(p.child, mode->closed);
    wpipe_stream_close(p.child);
}

/* Windows row 299 */
static void anonymous_empty_write_of_bytes_is_nothing(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    assert_int_equal(wpipe_write(p.parent, "", 0, 0), 0);
    ends_write(p.parent, "z");
    ends_expect_bytes(p.child, "z");
    close_pair(&p);
}

/* .NET row 112, as far as it is ours: the descriptor may be duplicated */
static void anonymous_duplicated_descriptor_is_a_second_end(void **state)
{
    wpipe_options o = options_of(&pipes);
    wpipe_stream *second;
    char string[16];
    struct pair p;

    (void)state;
    make(&p, &o, WPIPE_IN);
    snprintf(string, sizeof string, "%d", dup(fd_of(p.string)));
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_OUT, p.string, NULL),
                     0);
    assert_int_equal(wpipe_anonymous_open(&second, WPIPE_OUT, string, NULL), 0);
    ends_write(p.child, "one");
    ends_write(second, "two");
    ends_expect_bytes(p.parent, "onetwo");
    wpipe_stream_close(p.child);
    assert_int_equal(wpipe_read(p.parent, string, 1, 0), WPIPE_ETIMEDOUT);
    wpipe_stream_close(second);
    ends_expect_end(p.parent, WPIPE_EOF);
    wpipe_stream_close(p.parent);
}

static void anonymous_descriptor_for_event_loops_tells_of_data(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;
    int fd;

    open_pair(&p, &o, WPIPE_IN);
    fd = (int)wpipe_stream_fd(p.parent);
    assert_true(fd >= 0);
    (void)wpipe_read(p.parent, NULL, 0, 0);
    while (wpipe_read(p.parent, &fd, 1, 0) != WPIPE_ETIMEDOUT)
        fail();
    fd = (int)wpipe_stream_fd(p.parent);
    ends_write(p.child, "x");
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    ends_expect_bytes(p.parent, "x");
    close_pair(&p);
}

/* ---- the end ------------------------------------------------------------- */

static void anonymous_writer_closes_reader_reads_then_eof(void **state)
{
    const struct mode *mode = *state;
    wpipe_options o = options_of(mode);
    struct pair p;

    open_pair(&p, &o, WPIPE_IN);
    ends_write(p.child, "last words");
    wpipe_stream_close(p.child);
    ends_expect_bytes(p.parent, "last words");
    ends_expect_end(p.parent, mode->closed);
    wpipe_stream_close(p.parent);
}

static void anonymous_writer_finishes_reader_reads_then_eof(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "that is all");
    assert_int_equal(wpipe_finish(p.parent), 0);
    assert_int_equal(wpipe_finish(p.parent), 0);
    assert_int_equal(wpipe_write(p.parent, "x", 1, 0), WPIPE_ESTATE);
    if (*state == &pipes) /* nothing is left to ask */
        assert_int_equal(wpipe_drain(p.parent, 0), WPIPE_ESTATE);
    ends_expect_bytes(p.child, "that is all");
    ends_expect_end(p.child, WPIPE_EOF);
    close_pair(&p);
}

/* Windows row 298; .NET: BrokenPipePropagatedImmediately */
static void anonymous_reader_gone_write_is_epipe_at_once(void **state)
{
    wpipe_options o = options_of(*state);
    struct sigaction action;
    sigset_t pending;
    struct pair p;

    /* as in a program that never thought of it: SIGPIPE would kill */
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
    open_pair(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "x");
    wpipe_stream_close(p.child);
    for (int i = 0; i < 3; i++)
        assert_int_equal(wpipe_write(p.parent, "y", 1, SUPPORT_WAIT_MS),
                         WPIPE_EPIPE);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    wpipe_stream_close(p.parent);
}

/* A SIGPIPE of the program's own that it holds back stays where it is. */
static void anonymous_blocked_sigpipe_of_others_is_kept(void **state)
{
    wpipe_options o = options_of(&pipes);
    sigset_t set;
    struct pair p;
    int number;

    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    assert_int_equal(raise(SIGPIPE), 0);
    open_pair(&p, &o, WPIPE_OUT);
    wpipe_stream_close(p.child);
    assert_int_equal(wpipe_write(p.parent, "y", 1, 0), WPIPE_EPIPE);
    wpipe_stream_close(p.parent);
    assert_int_equal(sigpending(&set), 0);
    assert_int_equal(sigismember(&set, SIGPIPE), 1);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(sigwait(&set, &number), 0);
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

static void anonymous_reader_leaves_blocked_writer_wakes(void **state)
{
    wpipe_options o = options_of(*state);
    struct ends_thread thread;
    struct writer writer;
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    writer.stream = p.parent;
    ends_start(&thread, write_until_it_ends, &writer);
    ends_wait_asleep(&thread);
    wpipe_stream_close(p.child);
    ends_join(&thread);
    assert_int_equal(writer.result, WPIPE_EPIPE);
    wpipe_stream_close(p.parent);
}

static void drain_all(void *argument)
{
    struct writer *w = argument;

    w->result = wpipe_drain(w->stream, SUPPORT_WAIT_MS);
}

static void anonymous_drain_waits_for_the_reader(void **state)
{
    wpipe_options o = options_of(*state);
    struct ends_thread thread;
    struct writer writer;
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "read me");
    assert_int_equal(wpipe_drain(p.parent, 0), WPIPE_ETIMEDOUT);
    writer.stream = p.parent;
    ends_start(&thread, drain_all, &writer);
    ends_wait_asleep(&thread);
    ends_expect_bytes(p.child, "read me");
    ends_join(&thread);
    assert_int_equal(writer.result, 0);
    close_pair(&p);
}

/* So much was written, the call says: no byte of the rest follows later. */
static void anonymous_write_timed_out_rest_is_taken_back(void **state)
{
    static uint8_t sent[1 << 20];
    static uint8_t got[sizeof sent];
    wpipe_options o = options_of(*state);
    size_t at = 0;
    struct pair p;
    int64_t n;

    o.type = WPIPE_BYTE;
    open_pair(&p, &o, WPIPE_OUT);
    ends_fill(sent, sizeof sent, 1);
    n = wpipe_write(p.parent, sent, sizeof sent, 20);
    assert_true(n > 0 && n < (int64_t)sizeof sent);
    while (at < (size_t)n) {
        int64_t r = wpipe_read(p.child, got + at, (size_t)n - at, 0);

        assert_true(r > 0);
        at += (size_t)r;
    }
    assert_memory_equal(got, sent, at);
    assert_int_equal(wpipe_read(p.child, got, 1, 0), WPIPE_ETIMEDOUT);
    ends_write(p.parent, "next");
    ends_expect_bytes(p.child, "next");
    close_pair(&p);
}

static void anonymous_reader_gone_drain_tells_of_unread(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "unread");
    wpipe_stream_close(p.child);
    assert_int_equal(wpipe_drain(p.parent, SUPPORT_WAIT_MS), WPIPE_EPIPE);
    wpipe_stream_close(p.parent);
}

static void anonymous_parent_disconnects_child_cannot(void **state)
{
    wpipe_options o = options_of(&native);
    struct pair p;

    (void)state;
    open_pair(&p, &o, WPIPE_OUT);
    assert_int_equal(wpipe_disconnect(p.child), WPIPE_ESTATE);
    ends_write(p.parent, "void");
    assert_int_equal(wpipe_disconnect(p.parent), 0);
    ends_expect_end(p.child, WPIPE_EDISCONNECTED);
    close_pair(&p);
}

/* ---- the string ---------------------------------------------------------- */

static void anonymous_string_is_the_childs_descriptor(void **state)
{
    const struct mode *mode = *state;
    wpipe_options o = options_of(mode);
    char buf[16] = "untouched";
    struct stat facts;
    struct pair p;
    int fd;

    assert_int_equal(wpipe_anonymous(&p.parent, WPIPE_OUT, &o), 0);
    assert_int_equal(wpipe_anonymous_client_string(p.parent, buf, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous_client_string(p.parent, buf, 1),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous_client_string(p.parent, NULL, 16),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous_client_string(NULL, buf, 16),
                     WPIPE_EINVAL);
    assert_string_equal(buf, "untouched");
    tell(p.parent, p.string);
    tell(p.parent, buf);
    assert_string_equal(buf, p.string);
    fd = fd_of(buf);
    snprintf(p.string, sizeof p.string, "%d", fd);
    assert_string_equal(buf, p.string);
    assert_int_equal(fstat(fd, &facts), 0);
    assert_int_equal(facts.st_mode & S_IFMT,
                     mode == &pipes ? S_IFIFO : S_IFSOCK);
    /* exactly as long as it must be */
    assert_int_equal(wpipe_anonymous_client_string(p.parent, buf, strlen(buf)),
                     WPIPE_EINVAL);
    assert_int_equal(
        wpipe_anonymous_client_string(p.parent, buf, strlen(buf) + 1),
        strlen(buf));
    wpipe_stream_close(p.parent);
}

/* Windows rows 293, 303: only the child's end, and only once it is told */
static void anonymous_end_is_inherited_once_it_is_told(void **state)
{
    wpipe_options o = options_of(*state);
    size_t inherited = 0;
    struct pair p;

    assert_int_equal(wpipe_anonymous(&p.parent, WPIPE_OUT, &o), 0);
    for (int fd = 3; fd < 64; fd++)
        if (is_open(fd))
            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    tell(p.parent, p.string);
    for (int fd = 3; fd < 64; fd++)
        if (is_open(fd) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC)) {
            assert_int_equal(fd, fd_of(p.string));
            inherited++;
        }
    assert_int_equal(inherited, 1);
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, p.string, NULL),
                     0);
    assert_int_equal(fcntl(fd_of(p.string), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close_pair(&p);
}

/* The child's program may know nothing of EAGAIN. */
static void anonymous_childs_end_of_a_pipe_blocks(void **state)
{
    wpipe_options o = options_of(&pipes);
    struct pair p;

    (void)state;
    make(&p, &o, WPIPE_OUT);
    assert_int_equal(fcntl(fd_of(p.string), F_GETFL) & O_NONBLOCK, 0);
    wpipe_stream_close(p.parent);
}

static void anonymous_released_there_is_no_string(void **state)
{
    wpipe_options o = options_of(*state);
    char buf[16];
    struct pair p;

    make(&p, &o, WPIPE_IN);
    assert_int_equal(wpipe_anonymous_release_client(p.parent), 0);
    assert_false(is_open(fd_of(p.string)));
    assert_int_equal(wpipe_anonymous_client_string(p.parent, buf, 16),
                     WPIPE_ESTATE);
    assert_int_equal(wpipe_anonymous_release_client(p.parent), 0);
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_OUT, p.string, NULL),
                     WPIPE_EINVAL);
    /* nobody else has it */
    ends_expect_end(p.parent, *state == &pipes ? WPIPE_EOF : WPIPE_EDIED);
    wpipe_stream_close(p.parent);
}

static void anonymous_calls_refuse_other_streams(void **state)
{
    wpipe_options o = options_of(*state);
    char buf[16];
    struct pair p;

    open_pair(&p, &o, WPIPE_IN);
    assert_int_equal(wpipe_anonymous_client_string(p.child, buf, 16),
                     WPIPE_ESTATE);
    assert_int_equal(wpipe_anonymous_release_client(p.child), WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous_release_client(NULL), WPIPE_EINVAL);
    close_pair(&p);
}

/* .NET row 118 */
static void anonymous_close_closes_the_childs_end(void **state)
{
    wpipe_options o = options_of(*state);
    size_t before = support_count_descriptors();
    struct pair p;

    assert_int_equal(wpipe_anonymous(&p.parent, WPIPE_IN, &o), 0);
    wpipe_stream_close(p.parent); /* never told */
    assert_int_equal(support_count_descriptors(), before);
    make(&p, &o, WPIPE_IN);
    wpipe_stream_close(p.parent);
    assert_false(is_open(fd_of(p.string)));
    assert_int_equal(support_count_descriptors(), before);
}

/* Opened in the process that made it, an end has one owner only. */
static void anonymous_opened_here_release_leaves_it_alone(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;

    open_pair(&p, &o, WPIPE_OUT);
    assert_int_equal(wpipe_anonymous_release_client(p.parent), 0);
    assert_true(is_open(fd_of(p.string)));
    ends_write(p.parent, "still");
    wpipe_stream_close(p.parent);
    assert_true(is_open(fd_of(p.string)));
    ends_expect_bytes(p.child, "still");
    wpipe_stream_close(p.child);
    assert_false(is_open(fd_of(p.string)));
}

/* And nobody's descriptor is closed that has its number by now. */
static void anonymous_number_used_again_release_leaves_it_alone(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;
    int other;

    open_pair(&p, &o, WPIPE_OUT);
    wpipe_stream_close(p.child);
    other = fd_of(p.string);
    assert_int_equal(dup2(STDIN_FILENO, other), other); /* inherited, too */
    wpipe_stream_close(p.parent);
    assert_true(is_open(other));
    close(other);
}

static const struct support_case cases[] = {
    BOTH(anonymous_bytes_pass_in_both_directions),
    TEST(anonymous_default_is_native_bytes),
    BOTH(anonymous_parent_writes_before_the_child_opens),
    BOTH(anonymous_parent_closes_before_the_child_opens),
    BOTH(anonymous_release_keeps_what_was_written),
    BOTH(anonymous_one_thread_writes_closes_reads),
    BOTH(anonymous_empty_write_of_bytes_is_nothing),
    TEST(anonymous_duplicated_descriptor_is_a_second_end),
    BOTH(anonymous_descriptor_for_event_loops_tells_of_data),
    BOTH(anonymous_writer_closes_reader_reads_then_eof),
    BOTH(anonymous_writer_finishes_reader_reads_then_eof),
    BOTH(anonymous_reader_gone_write_is_epipe_at_once),
    TEST(anonymous_blocked_sigpipe_of_others_is_kept),
    BOTH(anonymous_reader_leaves_blocked_writer_wakes),
    BOTH(anonymous_drain_waits_for_the_reader),
    TEST_WITH(anonymous_write_timed_out_rest_is_taken_back, &pipes, "pipe"),
    BOTH(anonymous_reader_gone_drain_tells_of_unread),
    TEST(anonymous_parent_disconnects_child_cannot),
    BOTH(anonymous_string_is_the_childs_descriptor),
    BOTH(anonymous_end_is_inherited_once_it_is_told),
    TEST(anonymous_childs_end_of_a_pipe_blocks),
    BOTH(anonymous_released_there_is_no_string),
    BOTH(anonymous_calls_refuse_other_streams),
    BOTH(anonymous_close_closes_the_childs_end),
    BOTH(anonymous_opened_here_release_leaves_it_alone),
    BOTH(anonymous_number_used_again_release_leaves_it_alone),
};

TEST_MAIN(cases)
