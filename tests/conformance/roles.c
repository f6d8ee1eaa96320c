/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test program as its own child: what it does there, and how it gets there.
 */
#include "anonymous.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXCHANGED = 64,
    BLOCK = 16 * 1024
};

struct mode native = { WPIPE_FOREIGN_DEFAULT, WPIPE_EOF };
struct mode pipes = { WPIPE_FOREIGN_ONLY, WPIPE_EOF };

/* ---- the child's side ---------------------------------------------------- */

/* The end has not taken the place of a standard descriptor. */
static void check_standard(int fd)
{
    struct stat end;
    struct stat other;

    assert_int_equal(fstat(fd, &end), 0);
    for (int i = 0; i < 3; i++)
        if (fstat(i, &other) == 0 && other.st_ino == end.st_ino)
            fail_msg("%d is the pipe", i);
}

wpipe_stream *roles_open(int direction, const char *string, int framing)
{
    wpipe_options o = { .size = sizeof o, .framing = framing };
    wpipe_stream *stream;

    check_standard(fd_of(string));
    assert_int_equal(wpipe_anonymous_open(&stream, direction, string, &o), 0);
    return stream;
}

/* .NET row 115 */
static int answer_hundred(char **argv)
{
    wpipe_stream *in = roles_open(WPIPE_IN, argv[0], 0);
    wpipe_stream *out = roles_open(WPIPE_OUT, argv[1], 0);
    uint8_t byte;

    assert_int_equal(wpipe_read(in, &byte, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(byte, 100);
    byte = 200;
    assert_int_equal(wpipe_write(out, &byte, 1, SUPPORT_WAIT_MS), 1);
    wpipe_stream_close(in);
    wpipe_stream_close(out);
    return 0;
}

static int count_to_five(char **argv)
{
    wpipe_stream *out = roles_open(WPIPE_OUT, argv[0], 0);

    ends_write(out, "\1\2\3\4\5");
    wpipe_stream_close(out);
    return 0;
}

/* Read to the end; the exit status tells how much came and what the end is. */
static int sum_up(char **argv)
{
    wpipe_stream *in = roles_open(WPIPE_IN, argv[0], 0);
    int64_t r;
    int bytes = 0;
    uint8_t buf[8];

    while ((r = wpipe_read(in, buf, sizeof buf, SUPPORT_WAIT_MS)) >= 0)
        for (int64_t i = 0; i < r; i++)
            assert_int_equal(buf[i], ++bytes);
    wpipe_stream_close(in);
    return bytes * ROLES_BYTES - (int)r;
}

/* What this process inherited. */
static int list_descriptors(char **argv)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    char text[512] = "";
    wpipe_stream *out;
    bool there[256] = { false };

    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.' && fd_of(entry->d_name) != dirfd(directory))
            there[fd_of(entry->d_name) & 255] = true;
    closedir(directory);
    for (int i = 0; i < 256; i++)
        if (there[i])
            snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
    out = roles_open(WPIPE_OUT, argv[0], 0);
    ends_write(out, text);
    wpipe_stream_close(out);
    return 0;
}

static int say_arguments(char **argv)
{
    wpipe_stream *out = roles_open(WPIPE_OUT, argv[0], 0);

    for (; *argv != NULL; argv++) {
        ends_write(out, *argv);
        ends_write(out, "|");
    }
    wpipe_stream_close(out);
    return 0;
}

/* Each of the ends gets its place in the list. */
static int number_ends(char **argv)
{
    for (uint8_t i = 0; argv[i] != NULL; i++) {
        wpipe_stream *out = roles_open(WPIPE_OUT, argv[i], 0);

        assert_int_equal(wpipe_write(out, &i, 1, SUPPORT_WAIT_MS), 1);
        wpipe_stream_close(out);
    }
    return 0;
}

/* Be there, and do nothing until killed. */
static int hold(char **argv)
{
    wpipe_stream *in = roles_open(WPIPE_IN, argv[0], 0);
    wpipe_stream *out = roles_open(WPIPE_OUT, argv[1], 0);

    ends_write(out, "!");
    alarm(20);
    pause();
    wpipe_stream_close(in);
    return 0;
}

static void write_blocks(void *argument)
{
    for (uint64_t i = 0; i < EXCHANGED; i++)
        ends_write_pattern(argument, BLOCK, i);
}

/* A mebibyte each way at the same time. */
void roles_exchange(wpipe_stream *stream)
{
    struct ends_thread thread;

    ends_start(&thread, write_blocks, stream);
    for (uint64_t i = 0; i < EXCHANGED; i++)
        ends_read_pattern(stream, BLOCK, i);
    ends_join(&thread);
}

static int exchange(char **argv)
{
    wpipe_stream *stream = roles_open(WPIPE_DUPLEX, argv[0], 0);
    char last;

    roles_exchange(stream);
    assert_int_equal(ends_shared(stream), 2);
    assert_int_equal(wpipe_read(stream, &last, 1, SUPPORT_WAIT_MS), WPIPE_EOF);
    wpipe_stream_close(stream);
    return 0;
}

/* Send back what comes, message by message. */
static int echo_framed(char **argv)
{
    wpipe_stream *in = roles_open(WPIPE_IN, argv[0], WPIPE_FRAMING_LE32);
    wpipe_stream *out = roles_open(WPIPE_OUT, argv[1], WPIPE_FRAMING_LE32);
    uint8_t *buf = malloc(MIB);
    int64_t n;

    while ((n = wpipe_read(in, buf, MIB, SUPPORT_WAIT_MS)) >= 0) {
        assert_int_equal(wpipe_stream_message_complete(in), 1);
        assert_int_equal(wpipe_write(out, buf, (size_t)n, SUPPORT_WAIT_MS), n);
    }
    assert_int_equal(n, WPIPE_EOF);
    wpipe_stream_close(in);
    wpipe_stream_close(out);
    free(buf);
    return 0;
}

static int parent_of(char **argv)
{
    wpipe_stream *in = roles_open(WPIPE_IN, argv[0], 0);
    wpipe_peer peer = { .size = sizeof peer };

    assert_int_equal(wpipe_stream_peer(in, &peer), 0);
    assert_int_equal(peer.pid, getppid());
    assert_int_equal(peer.uid, getuid());
    wpipe_stream_close(in);
    return 0;
}

static int leave_with(char **argv)
{
    return fd_of(argv[0]);
}

static const struct {
    const char *name;
    int (*run)(char **argv);
} roles[] = {
    { "hundred", answer_hundred },
    { "count", count_to_five },
    { "sum", sum_up },
    { "list", list_descriptors },
    { "arguments", say_arguments },
    { "number", number_ends },
    { "hold", hold },
    { "exchange", exchange },
    { "echo", echo_framed },
    { "parent", parent_of },
    { "leave", leave_with },
};

int roles_main(char **argv)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(roles[i].name, argv[0]) == 0)
            return roles[i].run(argv + 1);
    return 99;
}

/* ---- the parent's side --------------------------------------------------- */

const char *roles_program(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    assert_true(n > 0);
    path[n] = '\0';
    return path;
}

/* Start a role with the ends as its arguments. */
int64_t roles_start(const char *role, wpipe_stream *const *ends, int count)
{
    static const char *const holes[] = { "{0}", "{1}", "{2}", "{3}" };
    const char *arguments[8] = { roles_program(), "child", role };
    int64_t pid = -1;

    for (int i = 0; i < count; i++)
        arguments[3 + i] = holes[i];
    assert_int_equal(wpipe_spawn(&pid, arguments, ends, count), 0);
    assert_true(pid > 0);
    return pid;
}
