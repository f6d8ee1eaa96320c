/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues: one for each direction, and for the clients of one
 * server one for all questions and one for each client's answers. A queue is
 * ten messages deep and a message 8 KiB long unless root has allowed more, so
 * larger messages and more in flight are not offered.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter.h"
#include "measure.h"

#define DEPTH      10
#define BYTES_MOST 8192u

/* The name of a client at the beginning of its questions. */
#define INDEX_SIZE sizeof(uint32_t)

struct queue_end {
    mqd_t in;
    mqd_t out;
    int names_itself; /* a client of one server */
    uint32_t index;
    size_t size;
    char buffer[];
};

/* What forget has to remove. */
static char prepared[64];
static uint32_t prepared_count;

/* Queue 0 is there; 1 and on are back, to one client each. */
static const char *place(const char *name, uint32_t queue, char *text,
                         size_t size)
{
    snprintf(text, size, "/windpipe-bench-%s-%u", name, queue);
    return text;
}

static void queue_forget(void)
{
    char text[96];

    for (uint32_t i = 0; i < prepared_count; i++)
        mq_unlink(place(prepared, i, text, sizeof(text)));
    prepared_count = 0;
}

static int queue_prepare(const struct setup *setup)
{
    struct mq_attr shape = { .mq_maxmsg = DEPTH,
                             .mq_msgsize = (long)setup->bytes };
    uint32_t count = 1 + (setup->clients > 0 ? setup->clients : 1);
    char text[96];

    /* Queues have no directory: the process makes the name ours. */
    snprintf(prepared, sizeof(prepared), "%d-%s", (int)getpid(), setup->name);
    for (prepared_count = 0; prepared_count < count; prepared_count++) {
        mqd_t queue =
            mq_open(place(prepared, prepared_count, text, sizeof(text)),
                    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &shape);

        if (queue < 0) {
            complain("queue %s: %s", text, strerror(errno));
            queue_forget();
            return -1;
        }
        mq_close(queue);
    }
    return 0;
}

static mqd_t queue_open(uint32_t queue, int flags)
{
    char text[96];
    mqd_t opened =
        mq_open(place(prepared, queue, text, sizeof(text)), flags | O_CLOEXEC);

    if (opened < 0)
        complain("queue %s: %s", text, strerror(errno));
    return opened;
}

static struct queue_end *end_new(const struct setup *setup, uint32_t in,
                                 uint32_t out)
{
    struct queue_end *end = malloc(sizeof(*end) + setup->bytes);

    if (!end)
        return NULL;
    end->in = queue_open(in, O_RDONLY);
    end->out = queue_open(out, O_WRONLY);
    end->names_itself = setup->purpose == PURPOSE_ECHO;
    end->index = setup->index;
    end->size = setup->bytes;
    return end;
}

static void *queue_listen(const struct setup *setup)
{
    return end_new(setup, 0, 1);
}

static void *queue_accept(void *listener)
{
    return listener;
}

static void queue_unlisten(void *listener)
{
    (void)listener;
}

static void *queue_connect(const struct setup *setup)
{
    return end_new(setup, 1 + setup->index, 0);
}

static int put(mqd_t queue, const void *data, size_t size)
{
    int r;

    do
        r = mq_send(queue, data, size, 0);
    while (r != 0 && errno == EINTR);
    if (r != 0)
        complain("queue send: %s", strerror(errno));
    return r;
}

static int queue_send(void *handle, const void *data, size_t size)
{
    struct queue_end *end = handle;
    char message[BYTES_MOST];

    if (!end->names_itself)
        return put(end->out, data, size);
    memcpy(message, data, size);
    memcpy(message, &end->index, INDEX_SIZE);
    return put(end->out, message, size);
}

/* An empty message is the end: there is no other. */
static int queue_goodbye(void *handle)
{
    struct queue_end *end = handle;

    return put(end->out, "", 0);
}

static int64_t queue_receive(void *handle, const void **ret_data)
{
    struct queue_end *end = handle;
    ssize_t n;

    do
        n = mq_receive(end->in, end->buffer, end->size, NULL);
    while (n < 0 && errno == EINTR);
    *ret_data = end->buffer;
    if (n >= 0)
        return n > 0 ? n : -1;
    complain("queue receive: %s", strerror(errno));
    return -2;
}

static void queue_close(void *handle)
{
    struct queue_end *end = handle;

    mq_close(end->in);
    mq_close(end->out);
    free(end);
}

static const char *queue_transport(void *handle)
{
    (void)handle;
    return "queue";
}

/* It does not end by itself: the driver ends it. */
static int queue_serve(const struct setup *setup, struct crowd *crowd)
{
    mqd_t *back = calloc(setup->clients, sizeof(*back));
    mqd_t in = queue_open(0, O_RDONLY);
    char message[BYTES_MOST];
    uint32_t index;
    ssize_t n;

    if (!back || in < 0)
        return -1;
    for (uint32_t i = 0; i < setup->clients; i++)
        back[i] = queue_open(1 + i, O_WRONLY);
    gate_add(&crowd->ready, 1);
    for (;;) {
        n = mq_receive(in, message, sizeof(message), NULL);
        if (n < (ssize_t)INDEX_SIZE)
            return -1;
        memcpy(&index, message, INDEX_SIZE);
        touch(message, (size_t)n);
        if (index >= setup->clients || put(back[index], message, (size_t)n))
            return -1;
    }
}

const struct peer peer_queue = {
    .name = "posix-mq",
    .most_bytes = BYTES_MOST,
    .most_window = 1,
    .prepare = queue_prepare,
    .forget = queue_forget,
    .listen = queue_listen,
    .accept = queue_accept,
    .unlisten = queue_unlisten,
    .connect = queue_connect,
    .send = queue_send,
    .receive = queue_receive,
    .close = queue_close,
    .goodbye = queue_goodbye,
    .transport = queue_transport,
    .serve = queue_serve,
};
