/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads of one foreign stream, whose peer is a plain socket or pipe: who
 * waits for one thing does not keep the other from what it waits for, whoever
 * came first. The peer reads and writes only when the thread that needs it
 * sleeps.
 */
#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <windpipe/error.h>

static int raw = WPIPE_FRAMING_RAW;
static int le32 = WPIPE_FRAMING_LE32;

/* A foreign stream of ours and the descriptor at its other end. */
struct plain {
    wpipe_stream *stream;
    int fd;
    int framing;
};

static void open_end(struct plain *p, int direction, int ours)
{
    wpipe_options o = { .size = sizeof o, .foreign = WPIPE_FOREIGN_ONLY };
    char string[16];

    o.framing = p->framing;
    o.type = p->framing == WPIPE_FRAMING_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    snprintf(string, sizeof string, "%d", ours);
    assert_int_equal(wpipe_anonymous_open(&p->stream, direction, string, &o),
                     0);
}

static void open_socket(struct plain *p, void **state)
{
    int pair[2];

    p->framing = *(int *)*state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    open_end(p, WPIPE_DUPLEX, pair[0]);
    p->fd = pair[1];
}

/* Our end of a one-way pipe; anonymous, or one with a name. */
static void open_pipe(struct plain *p, void **state, int direction, bool named)
{
    char path[4096];
    int pair[2];

    p->framing = *(int *)*state;
    if (named) {
        snprintf(path, sizeof path, "%s/fifo", support_dir());
        assert_int_equal(mkfifo(path, 0600), 0);
        pair[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        pair[1] = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(fcntl(pair[0], F_SETFL, 0), 0);
        assert_int_equal(unlink(path), 0);
    } else {
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    }
    open_end(p, direction, direction == WPIPE_IN ? pair[0] : pair[1]);
    p->fd = direction == WPIPE_IN ? pair[1] : pair[0];
}

static void close_plain(struct plain *p)
{
    wpipe_stream_close(p->stream);
    if (p->fd >= 0)
        close(p->fd);
}

/* ---- what the peer does -------------------------------------------------- */

static size_t header_size(const struct plain *p)
{
    return p->framing == WPIPE_FRAMING_LE32 ? 4 : 0;
}

static void peer_reads(const struct plain *p, uint8_t *buf, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n;

        assert_true(support_wait_readable(p->fd, SUPPORT_WAIT_MS));
        n = read(p->fd, buf + at, size - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
}

/* All of it comes: a message of the pattern of `size` bytes. */
static void peer_expects(const struct plain *p, size_t size, uint64_t seed)
{
    size_t before = header_size(p);
    uint8_t *buf = malloc(before + size);

    assert_non_null(buf);
    peer_reads(p, buf, before + size);
    ends_check(buf + before, size, seed);
    free(buf);
}

static void peer_says_word(const struct plain *p)
{
    static const uint8_t bytes[] = { 4, 0, 0, 0, 'w', 'o', 'r', 'd' };
    size_t from = 4 - header_size(p);
    ssize_t size = (ssize_t)(sizeof bytes - from);

    assert_int_equal(write(p->fd, bytes + from, (size_t)size), size);
}

/* ---- what our threads do: for ever, or the case's time is over ----------- */

static void read_word(void *argument)
{
    struct plain *p = argument;
    char buf[16];

    assert_int_equal(wpipe_read(p->stream, buf, sizeof buf, WPIPE_FOREVER), 4);
    assert_memory_equal(buf, "word", 4);
}

static void write_mebibyte(void *argument)
{
    struct plain *p = argument;
    uint8_t *buf = malloc(MIB);

    assert_non_null(buf);
    ends_fill(buf, MIB, 1);
    assert_int_equal(wpipe_write(p->stream, buf, MIB, WPIPE_FOREVER), MIB);
    free(buf);
}

static void drain_all(void *argument)
{
    struct plain *p = argument;

    assert_int_equal(wpipe_drain(p->stream, WPIPE_FOREVER), 0);
}

static void start_asleep(struct ends_thread *thread, void (*run)(void *),
                         struct plain *p)
{
    ends_start(thread, run, p);
    ends_wait_asleep(thread);
}

/* ---- sockets: two threads at once ---------------------------------------- */

static void reader_waits_writer_gets_through(void **state)
{
    struct ends_thread reader;
    struct ends_thread writer;
    struct plain p;

    open_socket(&p, state);
    start_asleep(&reader, read_word, &p);
    start_asleep(&writer, write_mebibyte, &p);
    peer_expects(&p, MIB, 1);
    ends_join(&writer);
    peer_says_word(&p);
    ends_join(&reader);
    close_plain(&p);
}

/* A little at a time, each when the writer sleeps again. */
static void reader_waits_peer_reads_slowly(void **state)
{
    struct ends_thread reader;
    struct ends_thread writer;
    struct plain p;
    uint8_t *buf;
    size_t size;
    size_t at = 0;

    open_socket(&p, state);
    size = MIB + header_size(&p);
    buf = malloc(size);
    assert_non_null(buf);
    start_asleep(&reader, read_word, &p);
    start_asleep(&writer, write_mebibyte, &p);
    while (at < size) {
        size_t part = size - at < 150000 ? size - at : 150000;

        if (size - at > 600000) /* more than the kernel holds */
            ends_wait_asleep(&writer);
        peer_reads(&p, buf + at, part);
        at += part;
    }
    ends_join(&writer);
    ends_check(buf + header_size(&p), MIB, 1);
    free(buf);
    peer_says_word(&p);
    ends_join(&reader);
    close_plain(&p);
}

static void writer_waits_reader_gets_word(void **state)
{
    struct ends_thread reader;
    struct ends_thread writer;
    struct plain p;

    open_socket(&p, state);
    start_asleep(&writer, write_mebibyte, &p);
    start_asleep(&reader, read_word, &p);
    peer_says_word(&p);
    ends_join(&reader);
    peer_expects(&p, MIB, 1);
    ends_join(&writer);
    close_plain(&p);
}

/* The one who came first has gone: the other one is still told. */
static void writer_leaves_reader_stays(void **state)
{
    struct ends_thread reader;
    struct ends_thread writer;
    struct plain p;

    open_socket(&p, state);
    start_asleep(&writer, write_mebibyte, &p);
    start_asleep(&reader, read_word, &p);
    peer_expects(&p, MIB, 1);
    ends_join(&writer);
    ends_wait_asleep(&reader);
    peer_says_word(&p);
    ends_join(&reader);
    close_plain(&p);
}

static void reader_waits_drain_ends(void **state)
{
    struct ends_thread reader;
    struct ends_thread drainer;
    struct plain p;

    open_socket(&p, state);
    ends_write_pattern(p.stream, 1000, 2);
    start_asleep(&reader, read_word, &p);
    start_asleep(&drainer, drain_all, &p);
    peer_expects(&p, 1000, 2);
    ends_join(&drainer);
    ends_wait_asleep(&reader);
    peer_says_word(&p);
    ends_join(&reader);
    close_plain(&p);
}

static void drain_waits_reader_gets_word(void **state)
{
    struct ends_thread reader;
    struct ends_thread drainer;
    struct plain p;

    open_socket(&p, state);
    ends_write_pattern(p.stream, 1000, 2);
    start_asleep(&drainer, drain_all, &p);
    start_asleep(&reader, read_word, &p);
    peer_says_word(&p);
    ends_join(&reader);
    peer_expects(&p, 1000, 2);
    ends_join(&drainer);
    close_plain(&p);
}

/* ---- one-way pipes ------------------------------------------------------- */

static void pipe_writer_gets_through(void **state)
{
    for (int named = 0; named < 2; named++) {
        struct ends_thread writer;
        struct plain p;

        open_pipe(&p, state, WPIPE_OUT, named);
        start_asleep(&writer, write_mebibyte, &p);
        peer_expects(&p, MIB, 1);
        ends_join(&writer);
        close_plain(&p);
    }
}

static void pipe_drain_ends(void **state)
{
    for (int named = 0; named < 2; named++) {
        struct ends_thread drainer;
        struct plain p;

        open_pipe(&p, state, WPIPE_OUT, named);
        ends_write_pattern(p.stream, 1000, 2);
        start_asleep(&drainer, drain_all, &p);
        peer_expects(&p, 1000, 2);
        ends_join(&drainer);
        close_plain(&p);
    }
}

static void pipe_reader_gets_word(void **state)
{
    for (int named = 0; named < 2; named++) {
        struct ends_thread reader;
        struct plain p;

        open_pipe(&p, state, WPIPE_IN, named);
        start_asleep(&reader, read_word, &p);
        peer_says_word(&p);
        ends_join(&reader);
        close_plain(&p);
    }
}

/* What a call gave that waited for ever. */
struct ended {
    struct plain *plain;
    int64_t result;
};

static void wait_in_read(void *argument)
{
    struct ended *e = argument;
    char byte;

    e->result = wpipe_read(e->plain->stream, &byte, 1, WPIPE_FOREVER);
}

static void wait_in_write(void *argument)
{
    static const uint8_t bytes[MIB];
    struct ended *e = argument;

    do
        e->result = wpipe_write(e->plain->stream, bytes, MIB, WPIPE_FOREVER);
    while (e->result > 0); /* of a byte pipe the part that went */
}

static void wait_in_drain(void *argument)
{
    struct ended *e = argument;

    e->result = wpipe_drain(e->plain->stream, WPIPE_FOREVER);
}

/* Starts the call, ends it by `end`, and tells what it gave. */
static int64_t ended_by(struct plain *p, void (*run)(void *),
                        void (*end)(struct plain *))
{
    struct ended ended = { .plain = p, .result = 1 };
    struct ends_thread thread;

    ends_start(&thread, run, &ended);
    ends_wait_asleep(&thread);
    end(p);
    ends_join(&thread);
    return ended.result;
}

static void peer_closes(struct plain *p)
{
    close(p->fd);
    p->fd = -1;
}

static void we_wake(struct plain *p)
{
    wpipe_stream_wake(p->stream);
}

static void pipe_waits_end_with_peer(void **state)
{
    for (int named = 0; named < 2; named++) {
        struct plain p;

        open_pipe(&p, state, WPIPE_IN, named);
        assert_int_equal(ended_by(&p, wait_in_read, peer_closes), WPIPE_EOF);
        close_plain(&p);
        open_pipe(&p, state, WPIPE_OUT, named);
        assert_int_equal(ended_by(&p, wait_in_write, peer_closes), WPIPE_EPIPE);
        close_plain(&p);
        open_pipe(&p, state, WPIPE_OUT, named);
        ends_write_pattern(p.stream, 1000, 2);
        assert_int_equal(ended_by(&p, wait_in_drain, peer_closes), WPIPE_EPIPE);
        close_plain(&p);
    }
}

static void pipe_waits_end_by_wake(void **state)
{
    for (int named = 0; named < 2; named++) {
        struct plain p;

        open_pipe(&p, state, WPIPE_IN, named);
        assert_int_equal(ended_by(&p, wait_in_read, we_wake), WPIPE_EWOKEN);
        close_plain(&p);
        open_pipe(&p, state, WPIPE_OUT, named);
        ends_write_pattern(p.stream, 1000, 2);
        assert_int_equal(ended_by(&p, wait_in_drain, we_wake), WPIPE_EWOKEN);
        close_plain(&p);
    }
}

#define BOTH(function) \
    TEST_WITH(function, &raw, "raw"), TEST_WITH(function, &le32, "le32")

static const struct support_case cases[] = {
    BOTH(reader_waits_writer_gets_through),
    BOTH(reader_waits_peer_reads_slowly),
    BOTH(writer_waits_reader_gets_word),
    BOTH(writer_leaves_reader_stays),
    BOTH(reader_waits_drain_ends),
    BOTH(drain_waits_reader_gets_word),
    BOTH(pipe_writer_gets_through),
    BOTH(pipe_drain_ends),
    BOTH(pipe_reader_gets_word),
    BOTH(pipe_waits_end_with_peer),
    BOTH(pipe_waits_end_by_wake),
};

TEST_MAIN(cases)
