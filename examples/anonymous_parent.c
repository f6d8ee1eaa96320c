/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two anonymous pipes and a child: one byte goes there, another comes back.
 * The child is any program that takes the two strings as its last arguments;
 * with --foreign it need not be windpipe, and gets plain system pipes.
 *
 *     anonymous_parent [--foreign] anonymous_child
 *     anonymous_parent --foreign python3 child.py
 *     anonymous_parent --foreign dotnet Child.dll
 */
#include <stdio.h>
#include <string.h>
#include <windpipe/stream.h>

enum {
    ARGUMENTS_MAX = 32,
    WAIT_MS = 10000
};

/* Send 100 and tell what comes back. Returns it, or < 0. */
static int64_t ask(wpipe_stream *out, wpipe_stream *in)
{
    unsigned char byte = 100;
    int64_t r;

    r = wpipe_write(out, &byte, 1, WAIT_MS);
    if (r < 0)
        return r;
    printf("sent %d\n", byte);
    r = wpipe_read(in, &byte, 1, WAIT_MS);
    if (r < 0)
        return r;
    printf("got %d\n", byte);
    /* the child has nothing more to say, and leaves */
    r = wpipe_read(in, &byte, 1, WAIT_MS);
    return r == WPIPE_EOF ? 0 : r;
}

static int64_t run(char **command, wpipe_stream *const *streams)
{
    const char *arguments[ARGUMENTS_MAX + 3];
    int64_t pid;
    int64_t r;
    int n = 0;

    while (command[n] != NULL && n < ARGUMENTS_MAX) {
        arguments[n] = command[n];
        n++;
    }
    arguments[n] = "{0}"; /* what it reads */
    arguments[n + 1] = "{1}";
    arguments[n + 2] = NULL;
    r = wpipe_spawn(&pid, arguments, streams, 2);
    if (r < 0)
        return r;
    r = ask(streams[0], streams[1]);
    if (r < 0)
        return r;
    r = wpipe_reap(pid, WAIT_MS);
    if (r >= 0)
        printf("the child ended with %d\n", (int)r);
    return r;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options) };
    wpipe_stream *streams[2] = { NULL, NULL };
    int first = 1;
    int64_t r;

    if (argc > 1 && strcmp(argv[1], "--foreign") == 0) {
        options.foreign = WPIPE_FOREIGN_ONLY;
        first = 2;
    }
    if (argc <= first) {
        fprintf(stderr, "usage: anonymous_parent [--foreign] PROGRAM...\n");
        return 2;
    }
    r = wpipe_anonymous(&streams[0], WPIPE_OUT, &options);
    if (r == 0)
        r = wpipe_anonymous(&streams[1], WPIPE_IN, &options);
    if (r == 0)
        r = run(argv + first, streams);
    wpipe_stream_close(streams[0]);
    wpipe_stream_close(streams[1]);
    if (r == WPIPE_ENOTFOUND)
        fprintf(stderr, "anonymous_parent: no program %s\n", argv[first]);
    else if (r < 0)
        fprintf(stderr, "anonymous_parent: %s\n", wpipe_strerror((int)r));
    return r != 0;
}
