/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe without copies of its own: messages are built where they will be
 * read, and looked at where they lie. A message larger than what can be
 * reserved at once is built in parts. The builder copies the message into
 * place, which is the least that building can cost; the reader reads a byte
 * of every cache line, which is the least that using can.
 */
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

#include "adapter.h"
#include "adapter_windpipe.h"

/* A quarter of the default ring may be reserved, record header included. */
#define PART_MOST 65528u

/* While the connection is still on its socket. */
#define PART_EARLY 8192u

#define LINE 64u

static int part_begin(struct windpipe_end *end, size_t *part, void **ret_place)
{
    int r = wpipe_write_begin(end->stream, *part, ret_place, WPIPE_FOREVER);

    if (r != WPIPE_EMSGSIZE || *part <= PART_EARLY)
        return r;
    *part = PART_EARLY;
    return wpipe_write_begin(end->stream, *part, ret_place, WPIPE_FOREVER);
}

static int inplace_send(void *handle, const void *data, size_t size)
{
    struct windpipe_end *end = handle;
    const unsigned char *from = data;
    int64_t r;

    do {
        size_t part = size < PART_MOST ? size : PART_MOST;
        void *place = NULL;

        r = part_begin(end, &part, &place);
        if (r < 0)
            break;
        memcpy(place, from, part);
        r = wpipe_write_commit(end->stream, part, part < size);
        from += part;
        size -= part;
    } while (r >= 0 && size > 0);
    if (r >= 0)
        return 0;
    complain("write in place: %s", wpipe_strerror((int)r));
    return -1;
}

/* Read a byte of every cache line. */
static void use(const void *data, size_t size)
{
    static volatile unsigned char sink;
    const unsigned char *bytes = data;
    unsigned char sum = 0;

    for (size_t i = 0; i < size; i += LINE)
        sum = (unsigned char)(sum + bytes[i]);
    sink = sum;
    (void)sink;
}

/* The memory is given back here; *ret_data is not where the message lay. */
static int64_t inplace_receive(void *handle, const void **ret_data)
{
    struct windpipe_end *end = handle;
    int64_t total = 0;
    int r;

    *ret_data = end->buffer;
    do {
        const void *data;
        size_t size;

        r = wpipe_read_begin(end->stream, &data, &size, WPIPE_FOREVER);
        if (r < 0)
            break;
        use(data, size);
        total += (int64_t)size;
        r = wpipe_read_end(end->stream, size);
    } while (r >= 0 && !wpipe_stream_message_complete(end->stream));
    if (r >= 0)
        return total;
    if (r == WPIPE_EOF)
        return -1;
    complain("read in place: %s", wpipe_strerror(r));
    return -2;
}

const struct peer peer_inplace = {
    .name = "windpipe-inplace",
    .abilities = PEER_SPIN_OPTION,
    .listen = windpipe_listen,
    .accept = windpipe_accept,
    .unlisten = windpipe_unlisten,
    .connect = windpipe_connect,
    .send = inplace_send,
    .receive = inplace_receive,
    .close = windpipe_close,
    .transport = windpipe_transport,
};
