/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control: what the machine gives to a bare ring, without a library
 * around it. One writer and one index per direction, a memory fence and a look
 * at the reader's wish after every publication as a ring with sleepers needs
 * it, and nothing else: it spins only, trusts its peer and never sleeps, so
 * two processors are needed. Two memory files that both ends inherit.
 */
#include "adapter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

#define RING_SIZE   262144u /* the library's default */
#define FRAGMENT    65536u  /* a quarter of it */
#define HEADER_SIZE 8u
#define FLAG_MORE   1u
#define FLAG_PAD    2u

struct control_ring {
    _Alignas(128) _Atomic uint64_t head; /* the writer's position */
    _Atomic uint32_t closed;
    _Alignas(128) _Atomic uint64_t tail; /* the reader's, on its own line */
    _Alignas(128) _Atomic uint32_t want; /* never set: nobody sleeps here */
    _Alignas(4096) unsigned char data[RING_SIZE];
};

struct record {
    uint32_t length;
    uint32_t flags;
};

struct control_end {
    struct control_ring *out;
    struct control_ring *in;
    uint64_t written;   /* our head */
    uint64_t room_seen; /* the reader's tail as last looked at */
    uint64_t taken;     /* our tail, and what of it is published */
    uint64_t published;
    uint64_t head_seen;
    size_t size;
    unsigned char buffer[];
};

static struct control_ring *control_rings[2];
static size_t control_bytes;

static struct control_ring *ring_make(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    struct control_ring *ring = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(*ring)) == 0)
        ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, fd, 0);
    if (ring == MAP_FAILED)
        complain("control ring: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return ring == MAP_FAILED ? NULL : ring;
}

static void control_forget(void)
{
    for (int i = 0; i < 2; i++)
        memory_unshare(control_rings[i], sizeof(*control_rings[i]));
    memset(control_rings, 0, sizeof(control_rings));
}

static int control_prepare(const struct setup *setup)
{
    control_bytes = setup->bytes;
    control_rings[0] = ring_make("bench-there");
    control_rings[1] = ring_make("bench-back");
    if (control_rings[0] && control_rings[1])
        return 0;
    control_forget();
    return -1;
}

static void *end_new(struct control_ring *out, struct control_ring *in)
{
    struct control_end *end = malloc(sizeof(*end) + control_bytes);

    if (!end)
        return NULL;
    *end = (struct control_end){ .out = out, .in = in, .size = control_bytes };
    memset(end->buffer, 0, control_bytes);
    return end;
}

static void *control_listen(const struct setup *setup)
{
    (void)setup;
    return control_rings;
}

static void *control_accept(void *listener)
{
    (void)listener;
    return end_new(control_rings[1], control_rings[0]);
}

static void control_unlisten(void *listener)
{
    (void)listener;
}

static void *control_connect(const struct setup *setup)
{
    (void)setup;
    return end_new(control_rings[0], control_rings[1]);
}

/* Make an index visible and see if somebody has to be woken for it. */
static void publish(_Atomic uint64_t *index, uint64_t value,
                    _Atomic uint32_t *want)
{
    atomic_store_explicit(index, value, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(want, memory_order_relaxed) != 0)
        abort();
}

static size_t record_size(size_t length)
{
    return (HEADER_SIZE + length + 7) & ~(size_t)7;
}

static int room_wait(struct control_end *end, size_t need)
{
    while (RING_SIZE - (end->written - end->room_seen) < need) {
        end->room_seen =
            atomic_load_explicit(&end->out->tail, memory_order_acquire);
        if (atomic_load_explicit(&end->in->closed, memory_order_relaxed))
            return -1;
        cpu_relax();
    }
    return 0;
}

static int record_put(struct control_end *end, const void *data,
                      struct record record)
{
    size_t need = record_size(record.length);
    size_t at = end->written % RING_SIZE, whole = RING_SIZE - at;

    if (whole < need) { /* records do not wrap: fill up to the end */
        struct record pad = { (uint32_t)(whole - HEADER_SIZE), FLAG_PAD };

        if (room_wait(end, whole + need) < 0)
            return -1;
        memcpy(end->out->data + at, &pad, sizeof(pad));
        end->written += whole;
        at = 0;
    } else if (room_wait(end, need) < 0) {
        return -1;
    }
    memcpy(end->out->data + at, &record, sizeof(record));
    memcpy(end->out->data + at + HEADER_SIZE, data, record.length);
    end->written += need;
    publish(&end->out->head, end->written, &end->in->want);
    return 0;
}

static int control_send(void *handle, const void *data, size_t size)
{
    struct control_end *end = handle;
    const unsigned char *from = data;

    while (size > FRAGMENT - HEADER_SIZE) {
        struct record part = { FRAGMENT - HEADER_SIZE, FLAG_MORE };

        if (record_put(end, from, part) < 0)
            return -1;
        from += part.length;
        size -= part.length;
    }
    return record_put(end, from, (struct record){ (uint32_t)size, 0 });
}

/* Wait for a record. 0, or -1 when the writer has closed and all is read. */
static int record_wait(struct control_end *end)
{
    if (end->taken != end->head_seen)
        return 0;
    for (int closed = 0;;) {
        end->head_seen =
            atomic_load_explicit(&end->in->head, memory_order_acquire);
        if (end->taken != end->head_seen)
            return 0;
        if (closed)
            return -1;
        if (end->published != end->taken) { /* empty: give all room back */
            end->published = end->taken;
            publish(&end->in->tail, end->taken, &end->in->want);
        }
        closed =
            atomic_load_explicit(&end->in->closed, memory_order_acquire) != 0;
        cpu_relax();
    }
}

static int64_t control_receive(void *handle, const void **ret_data)
{
    struct control_end *end = handle;
    struct record record = { 0, FLAG_MORE };
    size_t have = 0;

    *ret_data = end->buffer;
    while (record.flags != 0) {
        const unsigned char *at;

        if (record_wait(end) < 0)
            return -1;
        at = end->in->data + end->taken % RING_SIZE;
        memcpy(&record, at, sizeof(record));
        end->taken += record_size(record.length);
        if (record.flags & FLAG_PAD)
            continue;
        memcpy(end->buffer + have, at + HEADER_SIZE, record.length);
        have += record.length;
        if (end->taken - end->published >= RING_SIZE / 8) {
            end->published = end->taken;
            publish(&end->in->tail, end->taken, &end->in->want);
        }
    }
    return (int64_t)have;
}

static void control_close(void *handle)
{
    struct control_end *end = handle;

    atomic_store_explicit(&end->out->closed, 1, memory_order_release);
    free(end);
}

static const char *control_transport(void *handle)
{
    (void)handle;
    return "ring";
}

const struct peer peer_control = {
    .name = "control",
    .abilities = PEER_SPINS_ALWAYS,
    .prepare = control_prepare,
    .forget = control_forget,
    .listen = control_listen,
    .accept = control_accept,
    .unlisten = control_unlisten,
    .connect = control_connect,
    .send = control_send,
    .receive = control_receive,
    .close = control_close,
    .transport = control_transport,
};
