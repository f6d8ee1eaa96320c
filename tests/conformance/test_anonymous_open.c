/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening anonymous pipes: what is refused, types and framings, sizes, plain
 * sockets, and a system that has no more. Both ends are in one process. Rows
 * are those of the .NET conformance list and of the table of Windows'
 * behaviour.
 */
#include "anonymous.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

/* ---- what is refused ----------------------------------------------------- */

/* .NET rows 121, 123 */
static void anonymous_open_refuses_what_is_no_number(void **state)
{
    static const char *const strings[] = {
        "",    "abc",        "-1",          " 7",
        "7 ",  "7x",         "+7",          "0x7",
        "7.0", "2147483648", "99999999999", "18446744073709551623",
        "1e1", "\xd9\xa7",   "4294967299",
    };
    wpipe_options o = { .size = sizeof o };
    wpipe_stream *stream = NULL;
    char why[128];

    (void)state;
    o.error_text = why;
    o.error_text_size = sizeof why;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        assert_int_equal(
            wpipe_anonymous_open(&stream, WPIPE_IN, strings[i], &o),
            WPIPE_EINVAL);
        assert_non_null(strstr(why, "is not a descriptor"));
    }
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, NULL, NULL),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous_open(NULL, WPIPE_IN, "0", NULL),
                     WPIPE_EINVAL);
    assert_null(stream);
}

static void refuse_fd(int fd)
{
    char string[16];
    wpipe_stream *stream = NULL;

    assert_true(fd >= 0);
    snprintf(string, sizeof string, "%d", fd);
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, string, NULL),
                     WPIPE_EINVAL);
    assert_null(stream);
    assert_true(is_open(fd)); /* left alone */
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, string, NULL),
                     WPIPE_EINVAL); /* not open at all */
}

/* .NET: IOException "Invalid pipe handle" */
static void anonymous_open_refuses_other_descriptors(void **state)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    refuse_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
    refuse_fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    refuse_fd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    refuse_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    refuse_fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    assert_int_equal(listen(listener, 1) < 0 ? errno : 0, EINVAL);
    assert_int_equal(bind(listener, &(struct sockaddr){ .sa_family = AF_UNIX },
                          sizeof(sa_family_t)),
                     0); /* a name that the kernel makes up */
    assert_int_equal(listen(listener, 1), 0);
    refuse_fd(listener);
}

/* .NET rows 119, 120: what is checked, and in which order */
static void anonymous_arguments_are_checked(void **state)
{
    wpipe_options o = options_of(*state);
    wpipe_stream *stream = NULL;
    char why[128];
    struct pair p;

    o.error_text = why;
    o.error_text_size = sizeof why;
    o.buffer_out = 1;
    snprintf(why, sizeof why, "untouched");
    assert_int_equal(wpipe_anonymous(&stream, 123, &o), WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous(&stream, -1, &o), WPIPE_EINVAL);
    assert_int_equal(wpipe_anonymous(NULL, WPIPE_OUT, &o), WPIPE_EINVAL);
    assert_string_equal(why, "untouched"); /* the direction first of all */
    assert_int_equal(wpipe_anonymous(&stream, WPIPE_DUPLEX, &o),
                     WPIPE_EINVAL); /* the size before the direction's sense */
    assert_non_null(strstr(why, "buffer_out"));
    o = options_of(*state);
    o.type = 999; /* row 128 */
    assert_int_equal(wpipe_anonymous(&stream, WPIPE_OUT, &o), WPIPE_EINVAL);
    o.type = 0;
    o.size = 0;
    assert_int_equal(wpipe_anonymous(&stream, WPIPE_OUT, &o), WPIPE_EINVAL);
    assert_null(stream);
    o = options_of(*state);
    make(&p, &o, WPIPE_OUT);
    assert_int_equal(wpipe_anonymous_open(&stream, 123, p.string, NULL),
                     WPIPE_EINVAL);
    o.size = 1;
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, p.string, &o),
                     WPIPE_EINVAL);
    assert_true(is_open(fd_of(p.string)));
    wpipe_stream_close(p.parent);
}

/* .NET row 119 */
static void anonymous_system_pipe_is_never_duplex(void **state)
{
    wpipe_options o = options_of(&pipes);
    wpipe_stream *stream = NULL;
    struct pair p;

    (void)state;
    assert_int_equal(wpipe_anonymous(&stream, WPIPE_DUPLEX, &o), WPIPE_ENOTSUP);
    make(&p, &o, WPIPE_OUT);
    assert_int_equal(
        wpipe_anonymous_open(&stream, WPIPE_DUPLEX, p.string, NULL),
        WPIPE_ESTATE);
    assert_null(stream);
    wpipe_stream_close(p.parent);
}

/* Windows rows 294, 295 */
static void anonymous_ends_go_one_way(void **state)
{
    wpipe_options o = options_of(*state);
    struct pair p;
    char buf[4];

    for (int direction = WPIPE_IN; direction <= WPIPE_OUT; direction++) {
        open_pair(&p, &o, direction);
        if (direction == WPIPE_IN) {
            assert_int_equal(wpipe_write(p.parent, "x", 1, 0), WPIPE_ESTATE);
            assert_int_equal(wpipe_read(p.child, buf, 1, 0), WPIPE_ESTATE);
            assert_int_equal(wpipe_peek(p.child, buf, 1, NULL, NULL),
                             WPIPE_ESTATE);
        } else {
            assert_int_equal(wpipe_read(p.parent, buf, 1, 0), WPIPE_ESTATE);
            assert_int_equal(wpipe_peek(p.parent, buf, 1, NULL, NULL),
                             WPIPE_ESTATE);
            assert_int_equal(wpipe_write(p.child, "x", 1, 0), WPIPE_ESTATE);
        }
        close_pair(&p);
    }
}

static void anonymous_wrong_direction_is_refused(void **state)
{
    const struct mode *mode = *state;
    static const int ways[] = { WPIPE_IN, WPIPE_OUT };
    wpipe_options o = options_of(mode);
    wpipe_stream *stream = NULL;
    struct pair p;

    for (int i = 0; i < 2; i++) {
        make(&p, &o, ways[i]);
        assert_int_equal(wpipe_anonymous_open(&stream, ways[i], p.string, NULL),
                         WPIPE_ESTATE);
        if (mode == &pipes) { /* nothing was lost by asking */
            assert_int_equal(wpipe_anonymous_open(&stream, other_way(ways[i]),
                                                  p.string, NULL),
                             0);
            wpipe_stream_close(stream);
            stream = NULL;
        } else { /* the parent is told why */
            assert_int_equal(ways[i] == WPIPE_IN
                                 ? wpipe_read(p.parent, &o, 1, SUPPORT_WAIT_MS)
                                 : wpipe_write(p.parent, "x", 1, 0),
                             WPIPE_ESTATE);
        }
        wpipe_stream_close(p.parent);
        make(&p, &o, ways[i]);
        assert_int_equal(
            wpipe_anonymous_open(&stream, WPIPE_DUPLEX, p.string, NULL),
            WPIPE_ESTATE);
        wpipe_stream_close(p.parent);
    }
    assert_null(stream);
}

/* The child may use less than a duplex pipe offers. */
static void anonymous_child_of_duplex_may_only_read(void **state)
{
    wpipe_options o = options_of(&native);
    char buf[4];
    struct pair p;

    (void)state;
    make(&p, &o, WPIPE_DUPLEX);
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, p.string, NULL),
                     0);
    ends_write(p.parent, "one way");
    ends_expect_bytes(p.child, "one way");
    assert_int_equal(wpipe_read(p.parent, buf, 1, SUPPORT_WAIT_MS), WPIPE_EOF);
    close_pair(&p);
}

/* ---- types --------------------------------------------------------------- */

static void anonymous_native_messages_keep_boundaries(void **state)
{
    wpipe_options o = options_of(&native);
    struct pair p;

    (void)state;
    o.type = WPIPE_MESSAGE;
    make(&p, &o, WPIPE_DUPLEX);
    /* the child need not know: the pipe is what its parent says */
    assert_int_equal(
        wpipe_anonymous_open(&p.child, WPIPE_DUPLEX, p.string, NULL), 0);
    ends_write(p.parent, "Hello");
    ends_write(p.parent, "again");
    ends_expect(p.child, "Hello");
    ends_expect(p.child, "again");
    ends_write(p.child, "Hello right back!");
    ends_expect(p.parent, "Hello right back!");
    close_pair(&p);
}

static void anonymous_child_may_read_messages_as_bytes(void **state)
{
    wpipe_options o = options_of(&native);
    char buf[16];
    struct pair p;

    (void)state;
    o.type = WPIPE_MESSAGE;
    make(&p, &o, WPIPE_OUT);
    ends_write(p.parent, "ab");
    ends_write(p.parent, "cd");
    o.type = WPIPE_BYTE;
    assert_int_equal(wpipe_anonymous_open(&p.child, WPIPE_IN, p.string, &o), 0);
    assert_int_equal(wpipe_read(p.child, buf, sizeof buf, SUPPORT_WAIT_MS), 4);
    assert_memory_equal(buf, "abcd", 4);
    close_pair(&p);
}

/* .NET row 128 */
static void anonymous_bytes_have_no_messages_to_read(void **state)
{
    const struct mode *mode = *state;
    wpipe_options o = options_of(mode);
    wpipe_stream *stream = NULL;
    struct pair p;

    make(&p, &o, WPIPE_OUT);
    o.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, p.string, &o),
                     WPIPE_ESTATE);
    assert_null(stream);
    if (mode == &native) /* the parent finds out */
        assert_int_equal(wpipe_write(p.parent, "x", 1, SUPPORT_WAIT_MS),
                         WPIPE_EPIPE);
    wpipe_stream_close(p.parent);
    if (mode == &pipes)
        assert_int_equal(wpipe_anonymous(&stream, WPIPE_OUT, &o),
                         WPIPE_ENOTSUP);
}

static void check_size(wpipe_stream *stream, int direction, uint32_t size)
{
    wpipe_stream_facts facts = { .size = sizeof facts };

    assert_int_equal(wpipe_stream_info(stream, &facts), 0);
    assert_int_equal(facts.direction, direction);
    assert_int_equal(direction == WPIPE_IN ? facts.buffer_in : facts.buffer_out,
                     size);
}

/* .NET row 125 */
static void anonymous_buffer_sizes_are_those_asked_for(void **state)
{
    static const uint32_t sizes[] = { 4096, 8192, 65536 };

    for (int direction = WPIPE_IN; direction <= WPIPE_OUT; direction++)
        for (int i = 0; i < 3; i++) {
            wpipe_options o = options_of(*state);
            struct pair p;

            if (direction == WPIPE_IN)
                o.buffer_in = sizes[i];
            else
                o.buffer_out = sizes[i];
            make(&p, &o, direction);
            check_size(p.parent, direction, sizes[i]); /* at once */
            assert_int_equal(wpipe_anonymous_open(&p.child,
                                                  other_way(direction),
                                                  p.string, NULL),
                             0);
            ends_write(direction == WPIPE_IN ? p.child : p.parent, "x");
            ends_expect_bytes(direction == WPIPE_IN ? p.parent : p.child, "x");
            check_size(p.parent, direction, sizes[i]);
            check_size(p.child, other_way(direction), sizes[i]);
            close_pair(&p);
        }
}

static void anonymous_buffer_size_is_the_systems_if_not_asked(void **state)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_options o = options_of(&pipes);
    struct pair p;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    open_pair(&p, &o, WPIPE_OUT);
    assert_int_equal(wpipe_stream_info(p.parent, &facts), 0);
    assert_int_equal(facts.buffer_out, fcntl(ends[0], F_GETPIPE_SZ));
    assert_int_equal(facts.buffer_in, 0);
    assert_int_equal(facts.type, WPIPE_BYTE);
    close_pair(&p);
    open_pair(&p, &o, WPIPE_IN);
    assert_int_equal(wpipe_stream_info(p.parent, &facts), 0);
    assert_int_equal(facts.buffer_in, fcntl(ends[0], F_GETPIPE_SZ));
    assert_int_equal(facts.buffer_out, 0);
    close(ends[0]);
    close(ends[1]);
    close_pair(&p);
}

/* ---- framings over a system pipe ----------------------------------------- */

static void anonymous_framings_carry_messages(void **state)
{
    static const char *const texts[] = { "Hello", "a", "", "two words" };
    struct pair p;

    (void)state;
    for (int framing = WPIPE_FRAMING_LE32; framing <= WPIPE_FRAMING_TYPE_LE32;
         framing++) {
        wpipe_options o = options_of(&pipes);

        o.framing = framing;
        open_pair(&p, &o, WPIPE_OUT);
        for (int i = 0; i < 4; i++) {
            if (framing == WPIPE_FRAMING_TYPE_LE32 && texts[i][0] == '\0')
                continue; /* there is no message without its type */
            ends_write(p.parent, texts[i]);
            if (texts[i][0] != '\0')
                ends_expect(p.child, texts[i]);
            else
                assert_int_equal(wpipe_read(p.child, &o, 1, SUPPORT_WAIT_MS),
                                 0);
        }
        wpipe_stream_close(p.parent);
        ends_expect_end(p.child, WPIPE_EOF);
        wpipe_stream_close(p.child);
    }
}

static void write_megabytes(void *argument)
{
    for (uint64_t seed = 0; seed < 4; seed++)
        ends_write_pattern(argument, MIB, seed);
}

static void anonymous_messages_of_a_mebibyte_pass_a_pipe(void **state)
{
    wpipe_options o = options_of(&pipes);
    struct ends_thread thread;
    uint8_t *buf = malloc(MIB + 1);
    struct pair p;

    (void)state;
    o.framing = WPIPE_FRAMING_LE32;
    open_pair(&p, &o, WPIPE_IN);
    ends_start(&thread, write_megabytes, p.child);
    for (uint64_t seed = 0; seed < 4; seed++) {
        assert_int_equal(wpipe_read(p.parent, buf, MIB + 1, SUPPORT_WAIT_MS),
                         MIB);
        assert_int_equal(wpipe_stream_message_complete(p.parent), 1);
        ends_check(buf, MIB, seed);
    }
    ends_join(&thread);
    close_pair(&p);
    free(buf);
}

static void anonymous_cut_message_is_a_broken_protocol(void **state)
{
    wpipe_options o = options_of(&pipes);
    struct pair p;
    char buf[8];

    (void)state;
    o.framing = WPIPE_FRAMING_LE32;
    make(&p, &o, WPIPE_IN);
    assert_int_equal(write(fd_of(p.string), "\5\0\0\0Hel", 7), 7);
    assert_int_equal(wpipe_anonymous_release_client(p.parent), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wpipe_read(p.parent, buf, 8, SUPPORT_WAIT_MS),
                         WPIPE_EPROTO);
    wpipe_stream_close(p.parent);
}

/* ---- sockets of somebody else's ------------------------------------------ */

static void string_of(int fd, char string[16])
{
    snprintf(string, 16, "%d", fd);
}

static void anonymous_silent_other_end_times_out(void **state)
{
    wpipe_options o = { .size = sizeof o, .handshake_ms = 30 };
    wpipe_stream *stream = NULL;
    char why[128] = "";
    char string[16];
    int ends[2];

    (void)state;
    o.error_text = why;
    o.error_text_size = sizeof why;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    string_of(ends[1], string);
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, string, &o),
                     WPIPE_ETIMEDOUT);
    assert_non_null(strstr(why, "30 ms"));
    assert_null(stream);
    assert_false(is_open(ends[1]));
    close(ends[0]);
}

static void anonymous_other_end_says_something_else(void **state)
{
    static const char *const words[] = { "", "H", "GET / HTTP/1.0\r\n\r\n" };
    wpipe_stream *stream = NULL;
    char string[16];
    int ends[2];

    (void)state;
    for (int i = 0; i < 3; i++) {
        size_t size = strlen(words[i]);

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        assert_int_equal(write(ends[0], words[i], size), size);
        close(ends[0]);
        string_of(ends[1], string);
        assert_int_equal(
            wpipe_anonymous_open(&stream, WPIPE_DUPLEX, string, NULL),
            WPIPE_EPROTO);
        assert_null(stream);
        assert_false(is_open(ends[1]));
    }
}

static void anonymous_other_end_goes_on_with_something_else(void **state)
{
    wpipe_options o = options_of(&native);
    wpipe_stream *stream = NULL;
    struct pair p;
    char bytes[256];
    ssize_t size;
    int ends[2];

    (void)state;
    make(&p, &o, WPIPE_OUT); /* for the first words of a real one */
    size = read(fd_of(p.string), bytes, sizeof bytes - 64);
    assert_true(size > 0);
    memset(bytes + size, 'x', 64);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[0], bytes, (size_t)size + 64), size + 64);
    string_of(ends[1], bytes);
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_IN, bytes, NULL),
                     WPIPE_EPROTO);
    assert_null(stream);
    close(ends[0]);
    wpipe_stream_close(p.parent);
}

static void anonymous_plain_socket_is_bytes_when_asked(void **state)
{
    wpipe_options o = options_of(&pipes);
    wpipe_stream *stream;
    char string[16];
    char buf[8];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    string_of(ends[1], string);
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_DUPLEX, string, &o),
                     0);
    assert_int_equal(write(ends[0], "plain", 5), 5);
    ends_expect_bytes(stream, "plain");
    ends_write(stream, "answer");
    assert_int_equal(read(ends[0], buf, sizeof buf), 6);
    assert_memory_equal(buf, "answer", 6);
    close(ends[0]);
    ends_expect_end(stream, WPIPE_EOF);
    wpipe_stream_close(stream);
}

static void anonymous_shared_memory_required_and_refused(void **state)
{
    wpipe_options o = options_of(&native);
    wpipe_stream *stream = NULL;
    struct pair p;

    (void)state;
    o.shared_memory = WPIPE_SHARED_NEVER;
    make(&p, &o, WPIPE_DUPLEX);
    o.shared_memory = WPIPE_SHARED_REQUIRED;
    assert_int_equal(wpipe_anonymous_open(&stream, WPIPE_DUPLEX, p.string, &o),
                     WPIPE_ENOTSUP);
    assert_null(stream);
    wpipe_stream_close(p.parent);
}

/* ---- the system has no more ---------------------------------------------- */

static void anonymous_without_descriptors_nothing_is_left(void **state)
{
    wpipe_options o = options_of(*state);
    size_t before = support_count_descriptors();
    struct rlimit was;
    struct rlimit few;
    wpipe_stream *stream = NULL;
    int failed = 0;
    int r;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    for (rlim_t limit = 3; limit < 32; limit++) {
        few = was;
        few.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = wpipe_anonymous(&stream, WPIPE_OUT, &o);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
        if (r == 0) {
            wpipe_stream_close(stream);
            break;
        }
        assert_int_equal(r, WPIPE_ELIMIT);
        assert_null(stream);
        assert_int_equal(support_count_descriptors(), before);
        failed++;
    }
    assert_true(failed >= 2);
    assert_int_equal(support_count_descriptors(), before);
}

static void anonymous_without_memory_nothing_is_left(void **state)
{
    wpipe_options o = options_of(*state);
    size_t before = support_count_descriptors();
    wpipe_stream *stream = NULL;
    long live = wpipe__memory_live();
    struct pair p;
    int n = 0;
    int r;

    do {
        wpipe__memory_fail_at(++n);
        r = wpipe_anonymous(&stream, WPIPE_IN, &o);
        wpipe__memory_fail_at(0);
        assert_true(r == 0 || (r == WPIPE_ENOMEM && stream == NULL));
        if (r < 0)
            assert_int_equal(support_count_descriptors(), before);
    } while (r < 0);
    assert_true(n > 1);
    wpipe_stream_close(stream);
    assert_int_equal(wpipe__memory_live(), live);
    n = 0;
    do {
        stream = NULL;
        make(&p, &o, WPIPE_IN);
        wpipe__memory_fail_at(++n);
        r = wpipe_anonymous_open(&stream, WPIPE_OUT, p.string, NULL);
        wpipe__memory_fail_at(0);
        assert_true(r == 0 || (r == WPIPE_ENOMEM && stream == NULL));
        wpipe_stream_close(stream);
        wpipe_stream_close(p.parent);
        assert_int_equal(support_count_descriptors(), before);
        assert_int_equal(wpipe__memory_live(), live);
    } while (r < 0);
    assert_true(n > 1);
}

static const struct support_case cases[] = {
    TEST(anonymous_open_refuses_what_is_no_number),
    TEST(anonymous_open_refuses_other_descriptors),
    BOTH(anonymous_arguments_are_checked),
    TEST(anonymous_system_pipe_is_never_duplex),
    BOTH(anonymous_ends_go_one_way),
    BOTH(anonymous_wrong_direction_is_refused),
    TEST(anonymous_child_of_duplex_may_only_read),
    TEST(anonymous_native_messages_keep_boundaries),
    TEST(anonymous_child_may_read_messages_as_bytes),
    BOTH(anonymous_bytes_have_no_messages_to_read),
    BOTH(anonymous_buffer_sizes_are_those_asked_for),
    TEST(anonymous_buffer_size_is_the_systems_if_not_asked),
    TEST(anonymous_framings_carry_messages),
    TEST(anonymous_messages_of_a_mebibyte_pass_a_pipe),
    TEST(anonymous_cut_message_is_a_broken_protocol),
    TEST(anonymous_silent_other_end_times_out),
    TEST(anonymous_other_end_says_something_else),
    TEST(anonymous_other_end_goes_on_with_something_else),
    TEST(anonymous_plain_socket_is_bytes_when_asked),
    TEST(anonymous_shared_memory_required_and_refused),
    BOTH(anonymous_without_descriptors_nothing_is_left),
    BOTH(anonymous_without_memory_nothing_is_left),
};

TEST_MAIN(cases)
