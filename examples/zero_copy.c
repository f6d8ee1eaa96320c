/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading in place: a child makes pictures straight in the
 * outgoing ring, its parent adds up their bytes where they lie. Nothing is
 * copied once the connection has moved to shared memory.
 *
 *     zero_copy [PICTURES]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe/stream.h>

enum {
    PICTURE = 8192
};

static int produce(const char *name, int count)
{
    wpipe_options options = { .size = sizeof(options), .direction = WPIPE_OUT };
    wpipe_stream *stream;
    void *picture;
    int r = wpipe_connect(&stream, name, &options, 5000);

    if (r < 0)
        return r;
    for (int i = 0; i < count && r >= 0; i++) {
        r = wpipe_write_begin(stream, PICTURE, &picture, 5000);
        if (r < 0)
            break;
        memset(picture, i, PICTURE);
        r = (int)wpipe_write_commit(stream, PICTURE, 0);
    }
    wpipe_stream_close(stream); /* what was written is still read */
    return r < 0 ? r : 0;
}

static int consume(wpipe_stream *stream)
{
    wpipe_stream_facts facts = { .size = sizeof(facts) };
    const void *data;
    uint64_t sum = 0;
    size_t size;
    int r;

    while ((r = wpipe_read_begin(stream, &data, &size, 5000)) == 0) {
        for (size_t i = 0; i < size; i++)
            sum += ((const unsigned char *)data)[i];
        wpipe_read_end(stream, size);
    }
    if (r != WPIPE_EOF)
        return r;
    wpipe_stream_info(stream, &facts);
    printf("%" PRIu64 " pictures, %" PRIu64 " bytes, sum %" PRIu64 "\n",
           facts.messages_in, facts.bytes_in, sum);
    return 0;
}

/* The parent's side of it, with the child on its way. */
static int receive(wpipe_listener *listener)
{
    wpipe_stream *stream;
    int r = wpipe_accept(listener, &stream, 5000);

    if (r < 0)
        return r;
    r = consume(stream);
    wpipe_stream_close(stream);
    return r;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options),
                              .type = WPIPE_MESSAGE,
                              .direction = WPIPE_IN };
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000;
    wpipe_listener *listener;
    pid_t child;
    int r = wpipe_listen(&listener, NULL, &options);

    if (r == 0) {
        child = fork();
        if (child == 0) /* makes a connection of its own */
            _exit(produce(wpipe_listener_name(listener), count) < 0);
        r = child < 0 ? WPIPE_ESYSTEM : receive(listener);
        wpipe_listener_close(listener);
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    if (r < 0)
        fprintf(stderr, "zero_copy: %s\n", wpipe_strerror(r));
    return r < 0;
}
