/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control for large messages: two buffers in shared memory, one being
 * filled while the other one is copied out, handed over by two counters. It
 * is the pipeline of two copies at its simplest, without borders, sizes or
 * anybody who sleeps.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "measure.h"

#define BUFFERS 2u

struct pipeline {
    _Alignas(128) _Atomic uint64_t filled;
    _Atomic uint32_t closed;
    _Alignas(128) _Atomic uint64_t emptied;
    _Alignas(4096) unsigned char data[];
};

struct buffers_end {
    struct pipeline *out;
    struct pipeline *in;
    uint64_t sent;
    uint64_t taken;
    unsigned char message[];
};

static struct pipeline *pipelines[2];
static size_t pipeline_bytes;

/* From one buffer to the next: whole pages. */
static size_t pipeline_step(void)
{
    return (pipeline_bytes + 4095) & ~(size_t)4095;
}

static size_t pipeline_size(void)
{
    return sizeof(struct pipeline) + BUFFERS * pipeline_step();
}

static void buffers_forget(void)
{
    for (int i = 0; i < 2; i++) {
        memory_unshare(pipelines[i], pipeline_size());
        pipelines[i] = NULL;
    }
}

static int buffers_prepare(const struct setup *setup)
{
    pipeline_bytes = setup->bytes;
    for (int i = 0; i < 2; i++)
        pipelines[i] = memory_share(pipeline_size());
    if (pipelines[0] && pipelines[1])
        return 0;
    buffers_forget();
    return -1;
}

static void *end_new(struct pipeline *out, struct pipeline *in)
{
    struct buffers_end *end = malloc(sizeof(*end) + pipeline_bytes);

    if (end)
        *end = (struct buffers_end){ .out = out, .in = in };
    return end;
}

static void *buffers_listen(const struct setup *setup)
{
    (void)setup;
    return pipelines;
}

static void *buffers_accept(void *listener)
{
    (void)listener;
    return end_new(pipelines[1], pipelines[0]);
}

static void buffers_unlisten(void *listener)
{
    (void)listener;
}

static void *buffers_connect(const struct setup *setup)
{
    (void)setup;
    return end_new(pipelines[0], pipelines[1]);
}

static unsigned char *place(struct pipeline *pipeline, uint64_t number)
{
    return pipeline->data + number % BUFFERS * pipeline_step();
}

static int buffers_send(void *handle, const void *data, size_t size)
{
    struct buffers_end *end = handle;

    while (end->sent -
               atomic_load_explicit(&end->out->emptied, memory_order_acquire) >=
           BUFFERS) {
        if (atomic_load_explicit(&end->in->closed, memory_order_relaxed))
            return -1;
        cpu_relax();
    }
    memcpy(place(end->out, end->sent), data, size);
    atomic_store_explicit(&end->out->filled, ++end->sent, memory_order_release);
    return 0;
}

/* All messages of a slice have the one size that was prepared. */
static int64_t buffers_receive(void *handle, const void **ret_data)
{
    struct buffers_end *end = handle;
    uint32_t closed = 0;

    *ret_data = end->message;
    while (atomic_load_explicit(&end->in->filled, memory_order_acquire) ==
           end->taken) {
        if (closed)
            return -1;
        closed = atomic_load_explicit(&end->in->closed, memory_order_acquire);
        cpu_relax();
    }
    memcpy(end->message, place(end->in, end->taken), pipeline_bytes);
    atomic_store_explicit(&end->in->emptied, ++end->taken,
                          memory_order_release);
    return (int64_t)pipeline_bytes;
}

static void buffers_close(void *handle)
{
    struct buffers_end *end = handle;

    atomic_store_explicit(&end->out->closed, 1, memory_order_release);
    free(end);
}

static const char *buffers_transport(void *handle)
{
    (void)handle;
    return "shared memory";
}

const struct peer peer_buffers = {
    .name = "two-buffers",
    .abilities = PEER_SPINS_ALWAYS,
    .prepare = buffers_prepare,
    .forget = buffers_forget,
    .listen = buffers_listen,
    .accept = buffers_accept,
    .unlisten = buffers_unlisten,
    .connect = buffers_connect,
    .send = buffers_send,
    .receive = buffers_receive,
    .close = buffers_close,
    .transport = buffers_transport,
};
