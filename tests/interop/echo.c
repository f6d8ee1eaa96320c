/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our end of the echo tests with other programs, over the foreign door alone.
 * The client sends messages of many sizes and expects each one back as it was,
 * one after the other and then many at once; the server sends back what comes
 * and ends with its first client.
 *
 *     echo server|client NAME FRAMING LONGEST
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windpipe.h>

enum {
    WAIT_MS = 10000,
    MANY = 200
};

static const char *const framings[] = { "raw",   "le32",    "be32",
                                        "lines", "headers", "type-le32" };

static int find_framing(const char *name)
{
    for (int i = 0; i < 6; i++)
        if (strcmp(framings[i], name) == 0)
            return i;
    return -1;
}

static int serve(const char *name, const wpipe_options *options)
{
    wpipe_server *server;
    wpipe_event e;
    int r = wpipe_server_open(&server, name, options);

    if (r < 0)
        return r;
    while ((r = wpipe_server_wait(server, &e, WAIT_MS)) > 0) {
        if (e.type == WPIPE_EVENT_MESSAGE)
            r = wpipe_server_send_wait(server, e.from, e.data, e.size, WAIT_MS);
        if (e.type == WPIPE_EVENT_FINISHED)
            (void)wpipe_server_disconnect(server, e.from);
        if (r < 0 || e.type == WPIPE_EVENT_DISCONNECTED)
            break;
    }
    if (r >= 0 && e.reason != WPIPE_REASON_CLOSED)
        r = e.error;
    wpipe_server_close(server);
    return r;
}

/* Bytes that no framing minds: no CR, no LF. */
static void fill(char *buf, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (char)(' ' + (i * 7 + size) % 90);
}

static int64_t read_back(wpipe_stream *stream, char *buf, size_t size)
{
    size_t got = 0;
    int64_t n;

    do {
        n = wpipe_read(stream, buf + got, size + 1 - got, WAIT_MS);
        if (n < 0)
            return n;
        got += (size_t)n;
        if (got > size)
            return WPIPE_EMSGSIZE;
    } while (got < size || !wpipe_stream_message_complete(stream));
    return (int64_t)got;
}

/* One message there and back. */
static int64_t exchange(wpipe_stream *stream, size_t size)
{
    char *out = malloc(size + 1);
    char *in = malloc(size + 1);
    int64_t r = WPIPE_ENOMEM;

    if (out != NULL && in != NULL) {
        fill(out, size);
        r = wpipe_write(stream, out, size, WAIT_MS);
        if (r >= 0)
            r = read_back(stream, in, size);
        if (r >= 0 && memcmp(in, out, size) != 0)
            r = WPIPE_EPROTO;
    }
    free(out);
    free(in);
    return r;
}

/* Many small ones on their way at once. */
static int64_t burst(wpipe_stream *stream)
{
    char out[64];
    char in[65];
    int64_t r = 0;

    for (size_t i = 0; i < MANY && r >= 0; i++) {
        fill(out, 1 + i % 60);
        r = wpipe_write(stream, out, 1 + i % 60, WAIT_MS);
    }
    for (size_t i = 0; i < MANY && r >= 0; i++) {
        fill(out, 1 + i % 60);
        r = wpipe_stream_message_complete(stream)
                ? wpipe_read(stream, in, 1 + i % 60, WAIT_MS)
                : WPIPE_EPROTO;
        if (r >= 0 && ((size_t)r != 1 + i % 60 || memcmp(in, out, (size_t)r)))
            r = WPIPE_EPROTO;
    }
    return r;
}

static int64_t converse(wpipe_stream *stream, size_t longest, int framing)
{
    static const size_t sizes[] = { 1, 2, 100, 255, 256, 65535, 65536, 300000 };
    int64_t r = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (r >= 0 && sizes[i] <= longest)
            r = exchange(stream, sizes[i]);
    if (r >= 0 && framing != WPIPE_FRAMING_RAW)
        r = burst(stream);
    return r;
}

int main(int argc, char **argv)
{
    char text[256] = "";
    wpipe_options options = { .size = sizeof(options),
                              .foreign = WPIPE_FOREIGN_ONLY,
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    wpipe_stream *stream;
    int64_t r;

    if (argc != 5 || (options.framing = find_framing(argv[3])) < 0)
        return 2;
    if (strcmp(argv[1], "server") == 0) {
        r = serve(argv[2], &options);
    } else {
        if (options.framing != WPIPE_FRAMING_RAW)
            options.type = WPIPE_MESSAGE;
        r = wpipe_connect(&stream, argv[2], &options, WAIT_MS);
        if (r == 0) {
            r = converse(stream, strtoul(argv[4], NULL, 10), options.framing);
            wpipe_stream_close(stream);
        }
    }
    if (r < 0)
        fprintf(stderr, "echo: %s %s\n", wpipe_strerror((int)r), text);
    return r < 0;
}
