/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of hello_message_server, or of a C# server that puts the length
 * of each message in front of it: says "Hello", prints the answer. The answer
 * is read part by part until the message is complete, which is what a program
 * has to do whose buffer may be smaller than a message.
 *
 *     hello_message_client [NAME]
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

int main(int argc, char **argv)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .type = WPIPE_MESSAGE,
                                    .framing = WPIPE_FRAMING_LE32 };
    wpipe_stream *stream;
    char buf[256];
    int64_t r;

    r = wpipe_connect(&stream, argc > 1 ? argv[1] : "hello", &options, WAIT_MS);
    if (r == 0) {
        r = wpipe_write(stream, "Hello", 5, WAIT_MS);
        if (r == 5)
            r = read_message(stream, buf, sizeof(buf));
        wpipe_stream_close(stream);
    }
    if (r >= 0) {
        printf("%.*s\n", (int)r, buf);
        return 0;
    }
    fprintf(stderr, "hello_message_client: %s\n", wpipe_strerror((int)r));
    return 1;
}
