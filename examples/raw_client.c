/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest conversation there is: connect to a pipe, whoever serves it,
 * write one line of bytes and leave. The server - a C# one with a StreamReader,
 * or windpipe serve --byte - reads the line and then the end. Closing loses
 * nothing of what was written.
 *
 *     raw_client [NAME]
 */
#include <stdio.h>
#include <windpipe/stream.h>

int main(int argc, char **argv)
{
    static const char line[] = "hello from c++\r\n";
    wpipe_stream *stream;
    int64_t r;

    r = wpipe_connect(&stream, argc > 1 ? argv[1] : "raw", NULL, 5000);
    if (r == 0) {
        r = wpipe_write(stream, line, sizeof(line) - 1, 5000);
        wpipe_stream_close(stream);
    }
    if (r == sizeof(line) - 1)
        return 0;
    fprintf(stderr, "raw_client: %s\n",
            r < 0 ? wpipe_strerror((int)r) : "not all was written");
    return 1;
}
