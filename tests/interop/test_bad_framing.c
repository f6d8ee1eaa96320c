/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad input at a foreign door. Every framing gets lengths at and over every
 * limit, ends in the middle, garbage, all at once and byte by byte: that
 * connection ends with a named reason, and a second client goes on being
 * served between any two of the bytes. So it is at pipes that clients were
 * sent on to (options.second_pipe). And what stands at the path without
 * being a dead server's socket is refused by name and stays as it is.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <windpipe.h>

enum {
    MOST = 1000 /* bytes of one message */
};

/* ---- plain sockets ------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/CoreFxPipe_%s", getenv("TMPDIR"), name);
    return path;
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return a;
}

static int raw_connect(const char *name)
{
    const struct sockaddr_un a = address(path_of(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* ---- the server, and the one who must notice nothing --------------------- */

struct scene {
    wpipe_server *server;
    const char *name;
    int framing;
    int second_pipe;
    int good; /* a client that behaves */
    wpipe_id good_id;
    wpipe_event end; /* of another one, told meanwhile; type 0: none was */
};

static void next_event(struct scene *s, wpipe_event *e)
{
    assert_int_equal(wpipe_server_wait(s->server, e, SUPPORT_WAIT_MS), 1);
}

static wpipe_id wait_connected(struct scene *s)
{
    wpipe_event e;

    next_event(s, &e);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    return e.from;
}

/* A client, at the door or where it is sent from there. */
static int join(struct scene *s, wpipe_id *ret_id)
{
    unsigned char header[4];
    char second[128] = "";
    wpipe_event e;
    int fd = raw_connect(s->name);

    if (s->second_pipe) {
        assert_int_equal(wpipe_server_wait(s->server, &e, 0), WPIPE_ETIMEDOUT);
        assert_int_equal(recv(fd, header, 4, MSG_WAITALL), 4);
        assert_true(header[3] < sizeof second);
        assert_int_equal(recv(fd, second, header[3], MSG_WAITALL), header[3]);
        close(fd);
        fd = raw_connect(second);
    }
    *ret_id = wait_connected(s);
    return fd;
}

static void open_scene(struct scene *s, int framing, int second_pipe)
{
    const wpipe_options options = { .size = sizeof options,
                                    .max_message = MOST,
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .framing = framing,
                                    .second_pipe = second_pipe };

    memset(&s->end, 0, sizeof s->end);
    s->name = support_unique_name();
    s->framing = framing;
    s->second_pipe = second_pipe;
    assert_int_equal(wpipe_server_open(&s->server, s->name, &options), 0);
    s->good = join(s, &s->good_id);
}

static void close_scene(struct scene *s)
{
    close(s->good);
    wpipe_server_close(s->server);
}

/* The message "ok", framed. */
static size_t good_bytes(int framing, char buf[64])
{
    static const char *const texts[] = {
        [WPIPE_FRAMING_RAW] = "ok",
        [WPIPE_FRAMING_LINES] = "ok\n",
        [WPIPE_FRAMING_HEADERS] = "Content-Length: 2\r\n\r\nok",
    };
    static const char le32[] = { 2, 0, 0, 0, 'o', 'k' };
    static const char be32[] = { 0, 0, 0, 2, 'o', 'k' };
    static const char typed[] = { 'o', 1, 0, 0, 0, 'k' };
    const char *bytes = framing == WPIPE_FRAMING_LE32   ? le32
                        : framing == WPIPE_FRAMING_BE32 ? be32
                                                        : typed;
    size_t size = 6;

    if (framing == WPIPE_FRAMING_RAW || framing == WPIPE_FRAMING_LINES ||
        framing == WPIPE_FRAMING_HEADERS) {
        bytes = texts[framing];
        size = strlen(bytes);
    }
    memcpy(buf, bytes, size);
    return size;
}

/* The good client says "ok" and hears it again. */
static void good_goes_on(struct scene *s)
{
    char out[64];
    char in[64];
    size_t size = good_bytes(s->framing, out);
    wpipe_event e;

    assert_int_equal(send(s->good, out, size, MSG_NOSIGNAL), (ssize_t)size);
    next_event(s, &e);
    if (e.type == WPIPE_EVENT_DISCONNECTED) {
        assert_int_equal(s->end.type, 0);
        s->end = e;
        next_event(s, &e);
    }
    assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.from, s->good_id);
    assert_int_equal(e.size, 2);
    assert_memory_equal(e.data, "ok", 2);
    assert_int_equal(wpipe_server_send(s->server, e.from, e.data, e.size), 0);
    assert_int_equal(recv(s->good, in, size, MSG_WAITALL), (ssize_t)size);
    assert_memory_equal(in, out, size);
}

/* ---- inputs -------------------------------------------------------------- */

enum outcome {
    TAKEN = -1, /* it is a message */
    PROTOCOL = WPIPE_REASON_PROTOCOL,
    TOO_BIG = WPIPE_REASON_TOO_BIG,
    CLOSED = WPIPE_REASON_CLOSED
};

struct input {
    const char *what;
    const char *head; /* before `fill` bytes of 'x' */
    size_t head_size;
    size_t fill;
    const char *tail;
    int close;            /* the peer closes after it */
    enum outcome outcome; /* of the input, not of the close */
    size_t message;       /* TAKEN: its size */
};

#define HEAD(text) (text), sizeof(text) - 1

static const struct input le32[] = {
    { "length 0", HEAD("\0\0\0\0"), 0, "", 0, TAKEN, 0 },
    { "length 1", HEAD("\1\0\0\0"), 1, "", 0, TAKEN, 1 },
    { "length max", HEAD("\xe8\3\0\0"), MOST, "", 0, TAKEN, MOST },
    { "length max+1", HEAD("\xe9\3\0\0"), 0, "", 0, TOO_BIG, 0 },
    { "length 2^31", HEAD("\0\0\0\x80"), 0, "", 0, TOO_BIG, 0 },
    { "length 2^32-1", HEAD("\xff\xff\xff\xff"), 0, "", 0, TOO_BIG, 0 },
    { "half a length", HEAD("\5\0"), 0, "", 1, PROTOCOL, 0 },
    { "half a message", HEAD("\5\0\0\0"), 3, "", 1, PROTOCOL, 0 },
    { "no message", HEAD("\5\0\0\0"), 0, "", 1, PROTOCOL, 0 },
    { "garbage", HEAD("GET / HTTP/1.1\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
};

/* Its length is a signed number in .NET. */
static const struct input be32[] = {
    { "length 0", HEAD("\0\0\0\0"), 0, "", 0, TAKEN, 0 },
    { "length 1", HEAD("\0\0\0\1"), 1, "", 0, TAKEN, 1 },
    { "length max", HEAD("\0\0\3\xe8"), MOST, "", 0, TAKEN, MOST },
    { "length max+1", HEAD("\0\0\3\xe9"), 0, "", 0, TOO_BIG, 0 },
    { "length 2^31", HEAD("\x80\0\0\0"), 0, "", 0, PROTOCOL, 0 },
    { "length 2^32-1", HEAD("\xff\xff\xff\xff"), 0, "", 0, PROTOCOL, 0 },
    { "half a length", HEAD("\0\0"), 0, "", 1, PROTOCOL, 0 },
    { "half a message", HEAD("\0\0\0\5"), 3, "", 1, PROTOCOL, 0 },
    { "garbage", HEAD("GET / HTTP/1.1\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
};

/* The type is the first byte of the message. */
static const struct input typed[] = {
    { "length 0", HEAD("t\0\0\0\0"), 0, "", 0, TAKEN, 1 },
    { "length 1", HEAD("t\1\0\0\0"), 1, "", 0, TAKEN, 2 },
    { "length max", HEAD("t\xe7\3\0\0"), MOST - 1, "", 0, TAKEN, MOST },
    { "length max+1", HEAD("t\xe9\3\0\0"), 0, "", 0, TOO_BIG, 0 },
    { "length 2^31", HEAD("t\0\0\0\x80"), 0, "", 0, TOO_BIG, 0 },
    { "length 2^32-1", HEAD("t\xff\xff\xff\xff"), 0, "", 0, TOO_BIG, 0 },
    { "a type alone", HEAD("t"), 0, "", 1, PROTOCOL, 0 },
    { "half a message", HEAD("t\5\0\0\0"), 3, "", 1, PROTOCOL, 0 },
    { "garbage", HEAD("GET / HTTP/1.1\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
};

static const struct input lines[] = {
    { "length 0", HEAD("\n"), 0, "", 0, TAKEN, 0 },
    { "length 0, CR", HEAD("\r\n"), 0, "", 0, TAKEN, 0 },
    { "length 1", HEAD(""), 1, "\n", 0, TAKEN, 1 },
    { "length max", HEAD(""), MOST, "\n", 0, TAKEN, MOST },
    { "length max+1", HEAD(""), MOST + 1, "", 0, TOO_BIG, 0 },
    { "no newline", HEAD(""), 5, "", 1, TAKEN, 5 },
    { "garbage", HEAD("\0\xff\xfe\1\r\r\n"), 0, "", 0, TAKEN, 5 },
};

#define LENGTH "Content-Length: "

static const struct input headers[] = {
    { "length 0", HEAD(LENGTH "0\r\n\r\n"), 0, "", 0, TAKEN, 0 },
    { "length 1", HEAD(LENGTH "1\r\n\r\n"), 1, "", 0, TAKEN, 1 },
    { "length max", HEAD(LENGTH "1000\r\n\r\n"), MOST, "", 0, TAKEN, MOST },
    { "length max+1", HEAD(LENGTH "1001\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
    { "2^31", HEAD(LENGTH "2147483648\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
    { "2^32-1", HEAD(LENGTH "4294967295\r\n\r\n"), 0, "", 0, TOO_BIG, 0 },
    { "2^64+1", HEAD(LENGTH "18446744073709551617\r\n\r\n"), 0, "", 0, TOO_BIG,
      0 },
    { "minus one", HEAD(LENGTH "-1\r\n\r\n"), 0, "", 0, PROTOCOL, 0 },
    { "no number", HEAD(LENGTH "ten\r\n\r\n"), 0, "", 0, PROTOCOL, 0 },
    { "no length", HEAD("Content-Type: x\r\n\r\n"), 0, "", 0, PROTOCOL, 0 },
    { "half a header", HEAD(LENGTH "1"), 0, "", 1, PROTOCOL, 0 },
    { "half a message", HEAD(LENGTH "5\r\n\r\n"), 3, "", 1, PROTOCOL, 0 },
    { "a header for ever", HEAD("X: "), 600, "", 0, PROTOCOL, 0 },
    { "garbage", HEAD("GET / HTTP/1.1\r\n\r\n"), 0, "", 0, PROTOCOL, 0 },
};

static const struct input raw[] = {
    { "one byte", HEAD("x"), 0, "", 0, TAKEN, 1 },
    { "garbage, at once", HEAD("\0\xff\r\n"), 0, "", 0, TAKEN, 4 },
};

static const struct kind {
    int framing;
    int second_pipe;
    const struct input *inputs;
    size_t count;
} kinds[] = {
#define BOTH(framing, inputs)                               \
    { framing, 0, inputs, sizeof inputs / sizeof *inputs }, \
    {                                                       \
        framing, WPIPE_SECOND_PIPE_H_PIPES, inputs,         \
            sizeof inputs / sizeof *inputs                  \
    }
    BOTH(WPIPE_FRAMING_RAW, raw),         BOTH(WPIPE_FRAMING_LE32, le32),
    BOTH(WPIPE_FRAMING_BE32, be32),       BOTH(WPIPE_FRAMING_LINES, lines),
    BOTH(WPIPE_FRAMING_HEADERS, headers), BOTH(WPIPE_FRAMING_TYPE_LE32, typed),
};

/* ---- one input ----------------------------------------------------------- */

static size_t compose(const struct input *input, char *buf)
{
    size_t size = input->head_size;

    memcpy(buf, input->head, size);
    memset(buf + size, 'x', input->fill);
    size += input->fill;
    memcpy(buf + size, input->tail, strlen(input->tail));
    return size + strlen(input->tail);
}

/* All at once, or byte by byte with the other client served in between. The
 * server may end it before all was sent. */
static void send_bytes(struct scene *s, int fd, const char *bytes, size_t size,
                       int slowly)
{
    size_t part = slowly && size < 64 ? 1 : slowly ? 97 : size;
    size_t at;

    for (at = 0; at + part < size; at += part) {
        if (send(fd, bytes + at, part, MSG_NOSIGNAL) < 0)
            return;
        good_goes_on(s);
    }
    (void)!send(fd, bytes + at, size - at, MSG_NOSIGNAL);
}

static void expect_end(struct scene *s, wpipe_id id, enum outcome reason)
{
    wpipe_event e = s->end;

    s->end.type = 0;
    if (e.type == 0)
        next_event(s, &e);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, id);
    if (e.reason != (int)reason)
        print_error("reason %d, not %d\n", e.reason, (int)reason);
    assert_int_equal(e.reason, reason);
    if (reason == PROTOCOL)
        assert_int_equal(e.error, WPIPE_EPROTO);
    if (reason == TOO_BIG)
        assert_int_equal(e.error, WPIPE_EMSGSIZE);
}

static void try_input(struct scene *s, const struct input *input, int slowly)
{
    char bytes[MOST + 128];
    size_t size = compose(input, bytes);
    wpipe_id id;
    int fd = join(s, &id);
    wpipe_event e;

    print_message("%s%s\n", input->what, slowly ? ", slowly" : "");
    send_bytes(s, fd, bytes, size, slowly);
    if (input->close)
        shutdown(fd, SHUT_WR);
    if (input->outcome == TAKEN) {
        next_event(s, &e);
        assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.from, id);
        assert_int_equal(e.size, input->message);
        close(fd);
        expect_end(s, id, CLOSED);
    } else {
        expect_end(s, id, input->outcome);
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        close(fd);
    }
    good_goes_on(s);
}

static void framing_bad_input_ends_that_connection(void **state)
{
    const struct kind *kind = *state;
    struct scene s;

    open_scene(&s, kind->framing, kind->second_pipe);
    for (size_t i = 0; i < kind->count; i++) {
        try_input(&s, &kind->inputs[i], 0);
        if (kind->framing != WPIPE_FRAMING_RAW)
            try_input(&s, &kind->inputs[i], 1);
    }
    assert_int_equal(wpipe_server_count(s.server), 1);
    close_scene(&s);
}

/* The same from a server that we are the client of. */
static void framing_bad_server_ends_our_stream(void **state)
{
    const wpipe_options options = { .size = sizeof options,
                                    .type = WPIPE_MESSAGE,
                                    .max_message = MOST,
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .framing = WPIPE_FRAMING_LE32 };
    static const struct {
        const char *bytes;
        size_t size;
        int error;
    } rows[] = {
        { HEAD("\xe9\3\0\0"), WPIPE_EMSGSIZE },
        { HEAD("\xff\xff\xff\xff"), WPIPE_EMSGSIZE },
        { HEAD("\5\0\0"), WPIPE_EPROTO },
    };
    struct sockaddr_un a;
    wpipe_stream *stream;
    char buf[16];
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd;

    (void)state;
    a = address(path_of("bad"));
    assert_int_equal(bind(door, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(door, 1), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            wpipe_connect(&stream, "bad", &options, SUPPORT_WAIT_MS), 0);
        fd = accept(door, NULL, NULL);
        assert_int_equal(send(fd, rows[i].bytes, rows[i].size, MSG_NOSIGNAL),
                         (ssize_t)rows[i].size);
        close(fd);
        assert_int_equal(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS),
                         rows[i].error);
        wpipe_stream_close(stream);
    }
    close(door);
    unlink(a.sun_path);
}

/* ---- what stands at the path --------------------------------------------- */

static void make_file(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("precious", file);
    fclose(file);
}

static void make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_link(const char *path)
{
    assert_int_equal(symlink("/nowhere", path), 0);
}

/* A dead server's socket, but another user's. */
static void make_theirs(const char *path)
{
    const struct sockaddr_un a = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    if (chown(path, 65534, 65534) < 0) {
        unlink(path);
        support_skip("another user's file needs root");
    }
}

static const struct thing {
    void (*make)(const char *path);
    const char *kind; /* what error_text calls it */
} things[] = {
    { make_file, "file" },   { make_directory, "directory" },
    { make_fifo, "FIFO" },   { make_link, "link" },
    { make_theirs, "user" },
};

static void path_with_other_thing_is_refused(void **state)
{
    const struct thing *thing = *state;
    char text[256] = "";
    const wpipe_options options = { .size = sizeof options,
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .error_text = text,
                                    .error_text_size = sizeof text };
    const char *path = path_of("taken");
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    struct stat before;
    struct stat after;

    thing->make(path);
    assert_int_equal(lstat(path, &before), 0);
    assert_int_equal(wpipe_listen(&listener, "taken", &options), WPIPE_EACCES);
    assert_non_null(strstr(text, path));
    assert_non_null(strstr(text, thing->kind));
    assert_null(listener);
    assert_true(wpipe_connect(&stream, "taken", &options, 0) < 0);
    assert_non_null(strstr(text, path));
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(S_ISDIR(after.st_mode) ? rmdir(path) : unlink(path), 0);
}

static struct support_case bad_input(const struct kind *kind,
                                     const char *variant)
{
    const struct support_case test = { "framing_bad_input_ends_that_connection",
                                       framing_bad_input_ends_that_connection,
                                       (void *)(uintptr_t)kind, variant,
                                       SUPPORT_SLOW };

    return test;
}

static struct support_case taken(const struct thing *thing)
{
    const struct support_case test = { "path_with_other_thing_is_refused",
                                       path_with_other_thing_is_refused,
                                       (void *)(uintptr_t)thing, thing->kind,
                                       0 };

    return test;
}

int main(int argc, char **argv)
{
    const struct support_case cases[] = {
        bad_input(&kinds[0], "raw"),
        bad_input(&kinds[1], "raw, sent on"),
        bad_input(&kinds[2], "le32"),
        bad_input(&kinds[3], "le32, sent on"),
        bad_input(&kinds[4], "be32"),
        bad_input(&kinds[5], "be32, sent on"),
        bad_input(&kinds[6], "lines"),
        bad_input(&kinds[7], "lines, sent on"),
        bad_input(&kinds[8], "headers"),
        bad_input(&kinds[9], "headers, sent on"),
        bad_input(&kinds[10], "type-le32"),
        bad_input(&kinds[11], "type-le32, sent on"),
        TEST(framing_bad_server_ends_our_stream),
        taken(&things[0]),
        taken(&things[1]),
        taken(&things[2]),
        taken(&things[3]),
        taken(&things[4]),
    };

    return support_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
