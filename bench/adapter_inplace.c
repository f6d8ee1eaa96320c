/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe without copies of its own: messages are built where they will be
 * read, and looked at where they lie. A message larger than what can be
 * reserved at once is built in parts. The builder copies the message into
 * place, which is the least that building can cost; the reader touches it as
 * all receivers do, or searches all of it for a byte that is not there.
 */
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

#include "adapter.h"
#include "adapter_windpipe.h"
#include "measure.h"

/* So much of the default ring may be reserved at once. */
#define PART_MOST (262144u / 4 - 64)

/* While the connection is still on its socket. */
#define PART_EARLY 8192u

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

static int look(const void *data, size_t size)
{
    touch(data, size);
    return 0;
}

/* Look at every byte: there is no zero in what is sent. */
static int scan(const void *data, size_t size)
{
    return memchr(data, 0, size) ? -1 : 0;
}

/* The memory is given back here; *ret_data is not where the message lay. */
static int64_t receive(void *handle, const void **ret_data,
                       int (*use)(const void *data, size_t size))
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
        if (use(data, size) < 0)
            return -2;
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

static int64_t inplace_receive(void *handle, const void **ret_data)
{
    return receive(handle, ret_data, look);
}

static int64_t scan_receive(void *handle, const void **ret_data)
{
    return receive(handle, ret_data, scan);
}

#define INPLACE_ENDS                                          \
    .abilities = PEER_SPIN_OPTION, .listen = windpipe_listen, \
    .accept = windpipe_accept, .unlisten = windpipe_unlisten, \
    .connect = windpipe_connect, .send = inplace_send,        \
    .close = windpipe_close, .transport = windpipe_transport

const struct peer peer_inplace = {
    .name = "windpipe-inplace",
    INPLACE_ENDS,
    .receive = inplace_receive,
};

const struct peer peer_scan = {
    .name = "windpipe-scan",
    INPLACE_ENDS,
    .receive = scan_receive,
};
