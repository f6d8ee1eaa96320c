/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole messages with a program that has none: .NET knows message mode only on
 * Windows. Here every message has its length in front, four bytes, lowest
 * first, which a C# program writes and reads in a few lines (docs/interop.md);
 * a client that links windpipe needs no length and notices nothing. Waits for
 * "Hello", answers "Hello right back!".
 *
 *     hello_message_server [NAME]
 */
#include <stdio.h>
#include <windpipe/stream.h>

enum {
    WAIT_MS = 10000,
    PART = 4 /* bytes at a time: less than a message, to show the loop */
};

/*
 * Read one message into `buf`, part by part until it is complete. Returns its
 * size, WPIPE_EMSGSIZE when it is too long for `buf`, or another code.
 */
static int64_t read_message(wpipe_stream *stream, char *buf, size_t size)
{
    size_t got = 0;
    int64_t n;

    do {
        if (got == size)
            return WPIPE_EMSGSIZE;
        n = wpipe_read(stream, buf + got, size - got < PART ? size - got : PART,
                       WAIT_MS);
        if (n < 0)
            return n;
        got += (size_t)n;
    } while (!wpipe_stream_message_complete(stream));
    return (int64_t)got;
}

static int64_t serve(wpipe_stream *stream)
{
    static const char answer[] = "Hello right back!";
    char buf[256];
    int64_t r;

    r = read_message(stream, buf, sizeof(buf));
    if (r < 0)
        return r;
    printf("%.*s\n", (int)r, buf);
    r = wpipe_write(stream, answer, sizeof(answer) - 1, WAIT_MS);
    if (r < 0)
        return r;
    return wpipe_drain(stream, WAIT_MS); /* until the client has read it */
}

int main(int argc, char **argv)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .type = WPIPE_MESSAGE,
                                    .foreign = WPIPE_FOREIGN_ALSO,
                                    .framing = WPIPE_FRAMING_LE32 };
    wpipe_listener *listener;
    wpipe_stream *stream;
    int64_t r;

    r = wpipe_listen(&listener, argc > 1 ? argv[1] : "hello", &options);
    if (r == 0) {
        r = wpipe_accept(listener, &stream, WAIT_MS);
        if (r == 0) {
            r = serve(stream);
            wpipe_stream_close(stream);
        }
        wpipe_listener_close(listener);
    }
    if (r == 0)
        return 0;
    fprintf(stderr, "hello_message_server: %s\n", wpipe_strerror((int)r));
    return 1;
}
