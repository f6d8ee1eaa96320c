/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A native link whose peer is the input: bytes and descriptors over the socket,
 * the greeting included, and after a move to shared memory every word and byte
 * of the peer's segment. The victim looks, reads, writes and leaves in any
 * order. No call waits, nothing is left behind, memory stays bounded.
 *
 * Input: one byte of ways (who serves, greeted in good order or not, shared
 * memory or not), then one instruction a byte with its operands.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe/stream.h>

#include "base/frame.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/ring.h"
#include "link/link.h"
#include "stream/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    BUFFER = 16384,
    MESSAGE = 100000,
    MOST_BLOCKS = 64
};

enum {
    SERVES = 1,
    GREETED = 2,
    SHARED = 4,
    BYTES = 8
};

struct input {
    const uint8_t *data;
    size_t left;
};

struct world {
    int fd; /* the peer's end */
    int ways;
    wpipe_options options;
    struct wpipe__link *link;
    wpipe_stream *stream;        /* once the greeting is done */
    struct wpipe__control *mine; /* the peer's segment */
    uint8_t *grown;              /* and its ring, grown */
    uint64_t received;           /* position behind the DATA it sent */
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes && input->left > 0; i++) {
        value |= (uint64_t)*input->data++ << 8 * i;
        input->left--;
    }
    return value;
}

static void skip(struct input *input, size_t bytes)
{
    input->data += bytes;
    input->left -= bytes;
}

/* ---- what the peer says -------------------------------------------------- */

static void say(const struct world *w, const void *bytes, size_t size, int fd)
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec piece = { (void *)(uintptr_t)bytes, size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    struct cmsghdr *head;

    if (fd >= 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof fd);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    (void)!sendmsg(w->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_frame(const struct world *w, uint8_t type, uint64_t value,
                      const void *body, uint32_t size, int fd)
{
    const struct wpipe__frame frame = { .type = type,
                                        .size = size,
                                        .value = value };
    uint8_t bytes[WPIPE__FRAME_HEADER + 256];

    wpipe__frame_encode(&frame, bytes);
    if (size > 0)
        memcpy(bytes + WPIPE__FRAME_HEADER, body, size);
    say(w, bytes, WPIPE__FRAME_HEADER + size, fd);
}

static void say_greeting(const struct world *w)
{
    const struct wpipe__greeting g = {
        .version_low = WPIPE__WIRE_VERSION,
        .version_high = WPIPE__WIRE_VERSION,
        .flags = WPIPE__GREET_SHARED,
        .type = w->ways & BYTES ? WPIPE_BYTE : WPIPE_MESSAGE,
        .buffer_in = BUFFER,
        .buffer_out = BUFFER,
        .max_message = MESSAGE,
    };
    uint8_t body[WPIPE__GREETING_SIZE];

    wpipe__greeting_encode(&g, body);
    say_frame(w, w->ways & SERVES ? WPIPE__FRAME_HELLO : WPIPE__FRAME_VERDICT,
              WPIPE__HELLO_MAGIC, body, sizeof body, -1);
}

/* A segment as it should be; its words and ring are the input's later. */
static struct wpipe__control *make_segment(uint32_t ring, int *ret_fd)
{
    struct wpipe__control *words;
    void *memory = NULL;

    if (wpipe__os_segment_make(ring + WPIPE__CONTROL_SIZE, &memory, ret_fd) < 0)
        return NULL;
    words = memory;
    words->magic = WPIPE__CONTROL_MAGIC;
    words->version = WPIPE__WIRE_VERSION;
    words->ring_size = ring;
    return words;
}

/* The first segment, then the one with the larger ring, then none. */
static void say_switch(struct world *w)
{
    uint32_t ring = w->mine == NULL ? WPIPE__RING_MIN : BUFFER;
    const struct wpipe__switch offer = { ring, ring + WPIPE__CONTROL_SIZE };
    struct wpipe__control *words = NULL;
    uint8_t body[WPIPE__SWITCH_SIZE];
    int fd = -1;

    if (w->grown == NULL)
        words = make_segment(ring, &fd);
    if (words != NULL && w->mine == NULL) {
        w->mine = words;
        atomic_store(&w->mine->head, w->received);
    } else if (words != NULL) {
        w->grown = (uint8_t *)words + WPIPE__CONTROL_SIZE;
    }
    wpipe__switch_encode(&offer, body);
    say_frame(w, WPIPE__FRAME_SWITCH, w->received + 8, body, sizeof body, fd);
    wpipe__os_close(fd);
}

/* The mark where the ring should grow, and something behind it. */
static void say_grown(struct world *w, uint64_t value)
{
    static const uint64_t mark = (uint64_t)WPIPE__RECORD_GROWN << 32;
    uint64_t at = w->received & (WPIPE__RING_MIN - 1);

    memcpy((uint8_t *)w->mine + WPIPE__CONTROL_SIZE + at, &mark, 8);
    if (w->grown != NULL)
        memcpy(w->grown + ((w->received + 8) & (BUFFER - 1)), &value, 8);
    atomic_store(&w->mine->head, w->received + 8 + (value & 0x3ff8));
}

static void say_data(struct world *w, struct input *input)
{
    uint32_t flags = (uint32_t)take(input, 1) & WPIPE__RECORD_KNOWN;
    uint32_t size = (uint32_t)take(input, 1);
    struct wpipe__frame frame = { .type = WPIPE__FRAME_DATA,
                                  .flags = (uint16_t)flags };
    uint8_t bytes[WPIPE__FRAME_HEADER + 16 + 256] = { 0 };

    if (size > input->left)
        size = (uint32_t)input->left;
    frame.size = wpipe__record_extra(flags) + size;
    wpipe__frame_encode(&frame, bytes);
    if (size > 0) {
        memcpy(bytes + WPIPE__FRAME_HEADER, input->data, size);
        skip(input, size);
    }
    w->received += wpipe__frame_charge(flags, size);
    say(w, bytes, WPIPE__FRAME_HEADER + frame.size, -1);
}

static void change_segment(struct world *w, struct input *input, unsigned what)
{
    uint64_t value = take(input, 8);
    uint64_t at;

    if (w->mine == NULL)
        return;
    switch (what) {
    case 0:
        atomic_store(&w->mine->head, w->received + (value & 0x1fff));
        break;
    case 1:
        atomic_store(&w->mine->tail, value & 0x3fff);
        break;
    case 2:
        atomic_store(&w->mine->state, (uint32_t)value & 3);
        break;
    case 3:
        at = value >> 32 & (WPIPE__CONTROL_SIZE / 8 - 1);
        memcpy((uint8_t *)w->mine + at % 64 * 8, &value, 8);
        break;
    case 4:
        say_grown(w, value);
        break;
    default:
        at = (w->received + take(input, 2)) & (WPIPE__RING_MIN - 1) & ~7ull;
        memcpy((uint8_t *)w->mine + WPIPE__CONTROL_SIZE + at, &value, 8);
        break;
    }
}

static void peer_step(struct world *w, struct input *input, unsigned what)
{
    uint8_t drop[4096];
    size_t size;

    switch (what) {
    case 0:
    case 1:
        size = (size_t)take(input, 1);
        if (size > input->left)
            size = input->left;
        say(w, input->data, size, what ? STDERR_FILENO : -1);
        skip(input, size);
        break;
    case 2:
        say_data(w, input);
        break;
    case 3:
        say_switch(w);
        break;
    case 4:
        say_frame(w, WPIPE__FRAME_MOVED, w->received, NULL, 0, -1);
        break;
    case 5:
        say_frame(w, (uint8_t)take(input, 1), take(input, 3), NULL, 0, -1);
        break;
    case 6:
        say_frame(w, WPIPE__FRAME_CREDIT, take(input, 2), "12345678", 8, -1);
        break;
    case 7:
        (void)!recv(w->fd, drop, sizeof drop, MSG_DONTWAIT);
        break;
    case 8:
        (void)shutdown(w->fd, (int)take(input, 1) % 3);
        break;
    default:
        change_segment(w, input, what - 9);
        break;
    }
}

/* ---- what the victim does ------------------------------------------------ */

static void check_peek(wpipe_stream *s, uint8_t *buf, size_t size)
{
    size_t available = 0;
    size_t left = 0;
    int64_t r = wpipe_peek(s, buf, size, &available, &left);

    require(r <= (int64_t)size);
    require(r < 0 || available <= 1 << 20);
    require(r < 0 || left <= MESSAGE);
}

static void victim_zero_copy(wpipe_stream *s, unsigned what, uint8_t *buf)
{
    const void *view = NULL;
    size_t size = 0;
    void *data = NULL;

    if (what == 0 && wpipe_read_begin(s, &view, &size, 0) == 0) {
        require(size <= MESSAGE);
        memcpy(buf, view, size < 4096 ? size : 4096);
        require(wpipe_read_end(s, size / 2) == 0);
    } else if (what == 1 && wpipe_write_begin(s, 300, &data, 0) == 0) {
        memset(data, 7, 300);
        (void)wpipe_write_commit(s, 200, 1);
    } else if (what == 2) {
        wpipe_write_abort(s);
    }
}

static void victim_step(struct world *w, unsigned what, size_t size)
{
    static uint8_t buf[8192];
    int64_t r;

    switch (what) {
    case 0:
        r = wpipe_read(w->stream, buf, size, 0);
        require(r <= (int64_t)size);
        break;
    case 1:
        check_peek(w->stream, buf, size);
        break;
    case 2:
    case 3:
        (void)wpipe_write(w->stream, buf, size * (what - 1), 0);
        break;
    case 4:
        (void)wpipe_drain(w->stream, 0);
        break;
    case 5:
        (void)wpipe_finish(w->stream);
        break;
    case 6:
        (void)wpipe_disconnect(w->stream);
        break;
    case 7:
        (void)wpipe_stream_fd(w->stream);
        break;
    default:
        victim_zero_copy(w->stream, what - 8, buf);
        break;
    }
}

/* The greeting goes on as far as the peer lets it. */
static void victim_greets(struct world *w)
{
    int r = wpipe__native_greeted(w->link);

    if (r == WPIPE__GREET_HELLO && wpipe__native_admit(w->link) == 0)
        r = WPIPE__GREET_DONE;
    if (r != WPIPE__GREET_DONE)
        return;
    require(wpipe__stream_make(w->link, &w->options, (w->ways & SERVES) != 0,
                               &w->stream) == 0);
}

static void world_open(struct world *w, int ways)
{
    wpipe_options wish = { .size = sizeof wish,
                           .type = ways & BYTES ? WPIPE_BYTE : WPIPE_MESSAGE,
                           .shared_memory = ways & SHARED ? WPIPE_SHARED_NOW
                                                          : WPIPE_SHARED_AUTO,
                           .spin_us = WPIPE_SPIN_OFF,
                           .buffer_in = BUFFER,
                           .buffer_out = BUFFER,
                           .max_message = MESSAGE };
    wpipe__handle pair[2];

    memset(w, 0, sizeof *w);
    w->ways = ways;
    require(wpipe__options_take(&wish, &w->options) == 0);
    require(wpipe__os_socket_pair(pair) == 0);
    w->fd = pair[0];
    if (ways & SERVES)
        require(wpipe__native_accept(pair[1], &w->options, &w->link) == 0);
    else
        require(wpipe__native_dial(pair[1], &w->options, 0, 0, &w->link) == 0);
    if (ways & GREETED) {
        say_greeting(w);
        victim_greets(w);
        require(w->stream != NULL);
    }
}

static void world_close(struct world *w)
{
    if (w->stream)
        wpipe_stream_close(w->stream);
    else
        w->link->transport->free(w->link);
    close(w->fd);
    if (w->mine)
        wpipe__os_segment_unmap(w->mine, WPIPE__SEGMENT_MIN);
    if (w->grown)
        wpipe__os_segment_unmap(w->grown - WPIPE__CONTROL_SIZE,
                                BUFFER + WPIPE__CONTROL_SIZE);
    require(wpipe__memory_live() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };
    struct world w;

    world_open(&w, (int)take(&input, 1));
    while (input.left > 0) {
        unsigned code = (unsigned)take(&input, 1);

        if (code < 160)
            peer_step(&w, &input, code % 15);
        else if (w.stream)
            victim_step(&w, code % 11, (size_t)take(&input, 2) % 4096);
        else
            victim_greets(&w);
        require(wpipe__memory_live() < MOST_BLOCKS);
    }
    if (!w.stream)
        victim_greets(&w);
    world_close(&w);
    return 0;
}
