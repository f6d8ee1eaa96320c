/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libuv pipes, with messages behind a 4-byte length. Each thread has a loop;
 * the calls that block run it until their message is there or gone. Writing
 * tries at once, as libuv's fast path does, and queues what is left.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "adapter.h"
#include "measure.h"

#define HEADER     4u
#define READ_AHEAD 65536u
#define COPY_MOST  2048u
#define BACKLOG    4096

/* A connection, or a listener. */
struct uv_end {
    uv_pipe_t pipe; /* first: libuv's callbacks get its address */
    size_t size;
    size_t begin; /* of what was read and is not yet given */
    size_t end;
    int over;
    int paused;            /* no room for more until something is taken */
    unsigned char *buffer; /* made when something comes */
    struct uv_end *next;   /* of those accepted and not yet taken */
    struct uv_server *server;
};

/* Many connections: an echo, or a broadcast. */
struct uv_server {
    struct uv_end door;
    struct crowd *crowd;
    int echoes;
    uint32_t count;
    struct uv_end *ends[]; /* of a broadcast */
};

struct later {
    uv_write_t request;
    char data[];
};

/* One loop for each thread, made after the fork; it ends with the process. */
static uv_loop_t *loop(void)
{
    static _Thread_local uv_loop_t *one;

    if (!one) {
        one = malloc(sizeof(*one));
        if (one && uv_loop_init(one) != 0) {
            free(one);
            one = NULL;
        }
    }
    return one;
}

static int trouble(const char *what, int r)
{
    complain("libuv %s: %s", what, uv_strerror(r));
    return -1;
}

static uv_stream_t *stream(struct uv_end *end)
{
    return (uv_stream_t *)&end->pipe;
}

static int end_init(struct uv_end *end, const struct setup *setup)
{
    if (!end || !loop())
        return -1;
    end->size = HEADER + setup->bytes + READ_AHEAD;
    return uv_pipe_init(loop(), &end->pipe, 0);
}

static struct uv_end *end_new(const struct setup *setup)
{
    struct uv_end *end = calloc(1, sizeof(*end));

    if (end_init(end, setup) == 0)
        return end;
    free(end);
    return NULL;
}

static const char *place(const struct setup *setup, char *text, size_t size)
{
    snprintf(text, size, "%s/%s.uv", setup->directory, setup->name);
    return text;
}

/* ---- writing ------------------------------------------------------------ */

static void later_done(uv_write_t *request, int status)
{
    (void)status; /* the reader sees that it is over */
    free(request);
}

/* Queue what of the two pieces did not go out at once. */
static int write_later(struct uv_end *end, const uv_buf_t pieces[2],
                       size_t done)
{
    size_t rest = pieces[0].len + pieces[1].len - done, at = 0;
    struct later *later = malloc(sizeof(*later) + rest);
    uv_buf_t piece;

    if (!later)
        return -1;
    for (int i = 0; i < 2; i++) {
        size_t skip = done < pieces[i].len ? done : pieces[i].len;

        memcpy(later->data + at, pieces[i].base + skip, pieces[i].len - skip);
        at += pieces[i].len - skip;
        done -= skip;
    }
    piece = uv_buf_init(later->data, (unsigned)rest);
    return uv_write(&later->request, stream(end), &piece, 1, later_done);
}

static int message_write(struct uv_end *end, const void *data, size_t size)
{
    char message[HEADER + COPY_MOST];
    uint32_t length = (uint32_t)size;
    uv_buf_t pieces[2];
    int r;

    memcpy(message, &length, HEADER);
    pieces[0] = uv_buf_init(message, HEADER);
    pieces[1] = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
    if (size <= COPY_MOST) {
        memcpy(message + HEADER, data, size);
        pieces[0].len += size;
        pieces[1].len = 0;
    }
    r = uv_stream_get_write_queue_size(stream(end)) > 0
            ? UV_EAGAIN
            : uv_try_write(stream(end), pieces, pieces[1].len > 0 ? 2 : 1);
    if (r == (int)(HEADER + size))
        return 0;
    if (r < 0 && r != UV_EAGAIN)
        return r;
    return write_later(end, pieces, r > 0 ? (size_t)r : 0);
}

static int uv_send(void *handle, const void *data, size_t size)
{
    struct uv_end *end = handle;
    int r = message_write(end, data, size);

    while (r == 0 && uv_stream_get_write_queue_size(stream(end)) > 0)
        uv_run(loop(), UV_RUN_ONCE);
    return r < 0 ? trouble("write", r) : 0;
}

/* ---- reading ------------------------------------------------------------ */

static void read_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct uv_end *end = (struct uv_end *)handle;
    size_t have = end->end - end->begin;

    (void)suggested;
    if (!end->buffer)
        end->buffer = malloc(end->size);
    if (end->begin > 0) {
        memmove(end->buffer, end->buffer + end->begin, have);
        end->begin = 0;
        end->end = have;
    }
    *ret = uv_buf_init((char *)end->buffer + have,
                       end->buffer ? (unsigned)(end->size - have) : 0);
}

/* The next whole message, if there is one. Its size, or -1. */
static int64_t message_next(struct uv_end *end, const void **ret_data)
{
    size_t have = end->end - end->begin;
    uint32_t length;

    if (have < HEADER)
        return -1;
    memcpy(&length, end->buffer + end->begin, HEADER);
    if (have - HEADER < length)
        return -1;
    *ret_data = end->buffer + end->begin + HEADER;
    end->begin += HEADER + length;
    return length;
}

static void pipe_closed(uv_handle_t *handle)
{
    struct uv_end *end = (struct uv_end *)handle;

    free(end->buffer);
    free(end);
}

static void guest_read(struct uv_end *end)
{
    const void *data;
    int64_t size;

    while ((size = message_next(end, &data)) >= 0) {
        touch(data, (size_t)size);
        message_write(end, data, (size_t)size);
    }
    if (end->begin == end->end) { /* an idle guest holds nothing */
        free(end->buffer);
        end->buffer = NULL;
        end->begin = end->end = 0;
    }
}

static void read_done(uv_stream_t *handle, ssize_t size, const uv_buf_t *room)
{
    struct uv_end *end = (struct uv_end *)handle;
    struct uv_server *server = end->server;

    (void)room;
    if (size > 0) {
        end->end += (size_t)size;
        if (server) {
            guest_read(end);
        } else if (end->size - (end->end - end->begin) < READ_AHEAD) {
            end->paused = 1;
            uv_read_stop(handle);
        }
    } else if (size < 0) {
        end->over = 1;
        uv_read_stop(handle);
        if (!server)
            return;
        gate_count(&server->crowd->left, 1, server->crowd->expected);
        uv_close((uv_handle_t *)handle, pipe_closed);
    }
}

static int64_t uv_receive(void *handle, const void **ret_data)
{
    struct uv_end *end = handle;
    int64_t size;

    while ((size = message_next(end, ret_data)) < 0 && !end->over) {
        if (end->paused)
            uv_read_start(stream(end), read_room, read_done);
        end->paused = 0;
        uv_run(loop(), UV_RUN_ONCE);
    }
    return size;
}

/* ---- meeting ------------------------------------------------------------ */

static void door_knock(uv_stream_t *handle, int status)
{
    struct uv_end *door = (struct uv_end *)handle;
    struct uv_end *end = calloc(1, sizeof(*end)), **last = &door->next;

    if (status != 0 || !end || uv_pipe_init(loop(), &end->pipe, 0) != 0 ||
        uv_accept(handle, stream(end)) != 0) {
        complain("libuv: a connection was lost");
        free(end);
        return;
    }
    end->size = door->size;
    end->server = door->server;
    if (!door->server || door->server->echoes)
        uv_read_start(stream(end), read_room, read_done);
    if (!door->server) {
        while (*last)
            last = &(*last)->next;
        *last = end;
        return;
    }
    if (!door->server->echoes)
        door->server->ends[door->server->count++] = end;
    gate_count(&door->server->crowd->joined, 1, door->server->crowd->expected);
}

static int door_open(struct uv_end *door, const struct setup *setup)
{
    char text[128];
    int r = end_init(door, setup);

    if (r == 0)
        r = uv_pipe_bind(&door->pipe, place(setup, text, sizeof(text)));
    if (r == 0)
        r = uv_listen(stream(door), BACKLOG, door_knock);
    return r < 0 ? trouble("listen", r) : 0;
}

static void *uv_door(const struct setup *setup)
{
    struct uv_end *door = calloc(1, sizeof(*door));

    if (door && door_open(door, setup) == 0)
        return door;
    free(door);
    return NULL;
}

static void *uv_take(void *listener)
{
    struct uv_end *door = listener, *end;

    while (!door->next)
        uv_run(loop(), UV_RUN_ONCE);
    end = door->next;
    door->next = end->next;
    end->next = NULL;
    return end;
}

static void uv_end_close(void *handle)
{
    struct uv_end *end = handle;

    uv_close((uv_handle_t *)&end->pipe, pipe_closed);
    uv_run(loop(), UV_RUN_NOWAIT);
}

static void connected(uv_connect_t *request, int status)
{
    *(int *)request->data = status;
}

/* One attempt. The end, or NULL and the reason. */
static struct uv_end *dial_once(const struct setup *setup, int *ret_status)
{
    struct uv_end *end = end_new(setup);
    uv_connect_t request = { .data = ret_status };
    char text[128];

    *ret_status = 1;
    if (!end)
        return NULL;
    uv_pipe_connect(&request, &end->pipe, place(setup, text, sizeof(text)),
                    connected);
    while (*ret_status > 0)
        uv_run(loop(), UV_RUN_ONCE);
    if (*ret_status == 0)
        *ret_status = uv_read_start(stream(end), read_room, read_done);
    if (*ret_status == 0)
        return end;
    uv_end_close(end);
    return NULL;
}

/* It does not wait for a place in the server's queue: ask again for one. */
static void *uv_dial(const struct setup *setup)
{
    struct uv_end *end;
    int status;

    while (!(end = dial_once(setup, &status)) && status == UV_EAGAIN)
        sched_yield();
    if (!end)
        trouble("connect", status);
    return end;
}

/* ---- servers ------------------------------------------------------------ */

static struct uv_server *server_open(const struct setup *setup,
                                     struct crowd *crowd, uint32_t keep)
{
    struct uv_server *server =
        calloc(1, sizeof(*server) + keep * sizeof(server->ends[0]));

    if (!server)
        return NULL;
    server->crowd = crowd;
    server->echoes = keep == 0;
    server->door.server = server;
    if (door_open(&server->door, setup) < 0) {
        free(server);
        return NULL;
    }
    gate_add(&crowd->ready, 1);
    return server;
}

static int uv_serve(const struct setup *setup, struct crowd *crowd)
{
    struct uv_server *server = server_open(setup, crowd, 0);

    if (!server)
        return -1;
    while (atomic_load(&crowd->left.value) < crowd->expected)
        uv_run(loop(), UV_RUN_ONCE);
    return 0;
}

static void *uv_announce(const struct setup *setup, struct crowd *crowd)
{
    struct uv_server *server = server_open(setup, crowd, crowd->expected);

    while (server && server->count < crowd->expected)
        uv_run(loop(), UV_RUN_ONCE);
    return server;
}

static int uv_publish(void *handle, const void *data, size_t size)
{
    struct uv_server *server = handle;
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < server->count; i++)
        r = message_write(server->ends[i], data, size);
    return r < 0 ? trouble("broadcast", r) : 0;
}

static int uv_move(void *handle)
{
    (void)handle;
    uv_run(loop(), UV_RUN_NOWAIT);
    return 0;
}

/* The process ends with it. */
static void uv_hush(void *handle)
{
    (void)handle;
}

const struct peer peer_libuv = {
    .name = "libuv",
    .abilities = PEER_VISITS | PEER_SEES_LEAVING,
    .listen = uv_door,
    .accept = uv_take,
    .unlisten = uv_end_close,
    .connect = uv_dial,
    .send = uv_send,
    .receive = uv_receive,
    .close = uv_end_close,
    .serve = uv_serve,
    .announce = uv_announce,
    .publish = uv_publish,
    .move = uv_move,
    .hush = uv_hush,
};
