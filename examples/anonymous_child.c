/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child of anonymous_parent, or of a .NET program that hands it the client
 * handles of two AnonymousPipeServerStreams: reads a byte from the first pipe
 * and writes twice its value to the second.
 *
 *     anonymous_child IN OUT
 */
#include <stdio.h>
#include <windpipe/stream.h>

static int64_t answer(wpipe_stream *in, wpipe_stream *out)
{
    unsigned char byte;
    int64_t r;

    r = wpipe_read(in, &byte, 1, 10000);
    if (r < 0)
        return r;
    byte = (unsigned char)(byte * 2);
    r = wpipe_write(out, &byte, 1, 10000);
    return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options) };
    wpipe_stream *in = NULL;
    wpipe_stream *out = NULL;
    char why[160] = "";
    int64_t r;

    if (argc != 3) {
        fprintf(stderr, "usage: anonymous_child IN OUT\n");
        return 2;
    }
    options.error_text = why;
    options.error_text_size = sizeof(why);
    /* native or not: that is seen from the descriptors */
    r = wpipe_anonymous_open(&in, WPIPE_IN, argv[1], &options);
    if (r == 0)
        r = wpipe_anonymous_open(&out, WPIPE_OUT, argv[2], &options);
    if (r == 0)
        r = answer(in, out);
    wpipe_stream_close(in);
    wpipe_stream_close(out);
    if (r < 0)
        fprintf(stderr, "anonymous_child: %s\n",
                why[0] != '\0' ? why : wpipe_strerror((int)r));
    return r < 0;
}
