/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that speaks the wire by hand; raw_peer.h tells how to use it. */
#include "raw_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "base/base.h"
#include "base/options.h"
#include "stream/stream.h"

enum {
    BUFFER = 65536,
    MOST_FDS = 253
};

/* ---- the pair ------------------------------------------------------------ */

void raw_open(struct raw_peer *raw, int victim_serves, int shared_memory)
{
    raw_open_with(raw, victim_serves, shared_memory, 0);
}

static void open_typed(struct raw_peer *raw, int victim_serves,
                       int shared_memory, uint32_t flags, int type)
{
    wpipe_options wish = { .size = sizeof wish,
                           .type = type,
                           .shared_memory = shared_memory,
                           .flags = flags,
                           .spin_us = WPIPE_SPIN_OFF,
                           .buffer_in = BUFFER,
                           .buffer_out = BUFFER,
                           .max_message = 1 << 20 };
    wpipe__handle pair[2];
    int r;

    memset(raw, 0, sizeof *raw);
    raw->victim_serves = victim_serves;
    assert_int_equal(wpipe__options_take(&wish, &raw->options), 0);
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    raw->fd = pair[0];
    r = victim_serves
            ? wpipe__native_accept(pair[1], &raw->options, &raw->link)
            : wpipe__native_dial(pair[1], &raw->options, 0, 0, &raw->link);
    assert_int_equal(r, 0);
}

void raw_open_with(struct raw_peer *raw, int victim_serves, int shared_memory,
                   uint32_t flags)
{
    open_typed(raw, victim_serves, shared_memory, flags, WPIPE_MESSAGE);
}

static void make_stream(struct raw_peer *raw)
{
    assert_int_equal(wpipe__stream_make(raw->link, &raw->options,
                                        raw->victim_serves, &raw->stream),
                     0);
}

void raw_open_greeted(struct raw_peer *raw, int victim_serves,
                      int shared_memory)
{
    raw_open(raw, victim_serves, shared_memory);
    raw_be_greeted(raw);
}

void raw_open_bytes(struct raw_peer *raw, int victim_serves)
{
    open_typed(raw, victim_serves, WPIPE_SHARED_NEVER, 0, WPIPE_BYTE);
    raw_be_greeted(raw);
}

void raw_be_greeted(struct raw_peer *raw)
{
    struct wpipe__greeting g = raw_greeting();

    g.type = (uint16_t)raw->options.type;
    if (raw->victim_serves) {
        assert_true(raw_greet(raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, &g));
        assert_int_equal(wpipe__native_greeted(raw->link), WPIPE__GREET_HELLO);
        assert_int_equal(wpipe__native_admit(raw->link), 0);
    } else {
        assert_true(
            raw_greet(raw, WPIPE__FRAME_VERDICT, WPIPE__HELLO_MAGIC, &g));
        assert_int_equal(wpipe__native_greeted(raw->link), WPIPE__GREET_DONE);
    }
    make_stream(raw);
}

void raw_hang_up(struct raw_peer *raw)
{
    if (raw->fd >= 0)
        close(raw->fd);
    raw->fd = -1;
}

void raw_close(struct raw_peer *raw)
{
    raw_hang_up(raw);
    if (raw->stream)
        wpipe_stream_close(raw->stream);
    else
        raw->link->transport->free(raw->link);
    wpipe__os_segment_unmap(raw->mine, raw->ring_size + WPIPE__CONTROL_SIZE);
    wpipe__os_segment_unmap(raw->theirs, WPIPE__SEGMENT_MIN);
}

/* ---- saying something ---------------------------------------------------- */

bool raw_send_passing(const struct raw_peer *raw, const void *bytes,
                      size_t size, const int *fds, int count)
{
    char control[CMSG_SPACE(MOST_FDS * sizeof(int))];
    struct iovec piece = { (void *)(uintptr_t)bytes, size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    struct cmsghdr *head;
    ssize_t sent;

    if (count > 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, (size_t)count * sizeof(int));
    }
    do
        sent = sendmsg(raw->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}

bool raw_send(const struct raw_peer *raw, const void *bytes, size_t size)
{
    return raw_send_passing(raw, bytes, size, NULL, 0);
}

static void header(uint8_t *bytes, uint8_t type, uint16_t flags, uint64_t value,
                   uint32_t size)
{
    const struct wpipe__frame frame = { type, flags, size, value };

    wpipe__frame_encode(&frame, bytes);
}

bool raw_header(const struct raw_peer *raw, uint8_t type, uint16_t flags,
                uint64_t value, uint32_t size)
{
    uint8_t bytes[WPIPE__FRAME_HEADER];

    header(bytes, type, flags, value, size);
    return raw_send(raw, bytes, sizeof bytes);
}

bool raw_frame(const struct raw_peer *raw, uint8_t type, uint16_t flags,
               uint64_t value, const void *body, uint32_t size)
{
    uint8_t *bytes = calloc(1, WPIPE__FRAME_HEADER + (size_t)size);
    bool sent;

    assert_non_null(bytes);
    header(bytes, type, flags, value, size);
    if (body)
        memcpy(bytes + WPIPE__FRAME_HEADER, body, size);
    sent = raw_send(raw, bytes, WPIPE__FRAME_HEADER + (size_t)size);
    free(bytes);
    return sent;
}

bool raw_data(struct raw_peer *raw, uint32_t flags, const void *payload,
              uint32_t size)
{
    raw->sent += wpipe__frame_charge(flags, size);
    return raw_frame(raw, WPIPE__FRAME_DATA, (uint16_t)flags, 0, payload, size);
}

bool raw_switch(const struct raw_peer *raw, int fd, uint32_t ring_size)
{
    return raw_switch_at(raw, fd, ring_size, 0);
}

bool raw_switch_at(const struct raw_peer *raw, int fd, uint32_t ring_size,
                   uint64_t at)
{
    const struct wpipe__switch offer = { ring_size,
                                         ring_size + WPIPE__CONTROL_SIZE };
    uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__SWITCH_SIZE];

    header(bytes, WPIPE__FRAME_SWITCH, 0, at, WPIPE__SWITCH_SIZE);
    wpipe__switch_encode(&offer, bytes + WPIPE__FRAME_HEADER);
    return raw_send_passing(raw, bytes, sizeof bytes, &fd, fd >= 0);
}

struct wpipe__greeting raw_greeting(void)
{
    const struct wpipe__greeting g = {
        .version_low = WPIPE__WIRE_VERSION,
        .version_high = WPIPE__WIRE_VERSION,
        .flags = WPIPE__GREET_SHARED,
        .type = WPIPE_MESSAGE,
        .buffer_in = BUFFER,
        .buffer_out = BUFFER,
        .max_message = 1 << 20,
    };

    return g;
}

bool raw_greet(const struct raw_peer *raw, uint8_t type, uint64_t value,
               const struct wpipe__greeting *greeting)
{
    uint8_t body[WPIPE__GREETING_SIZE];

    wpipe__greeting_encode(greeting, body);
    return raw_frame(raw, type, 0, value, body, sizeof body);
}

void raw_ignore(const struct raw_peer *raw)
{
    uint8_t bytes[4096];

    while (recv(raw->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

/* ---- shared memory ------------------------------------------------------- */

/* The descriptor that came with the victim's SWITCH, and that it came. */
static int receive_offer(const struct raw_peer *raw)
{
    char control[CMSG_SPACE(MOST_FDS * sizeof(int))];
    uint8_t bytes[4096];
    struct iovec piece = { bytes, sizeof bytes };
    int fd = -1;

    while (fd < 0) {
        struct msghdr message = { .msg_iov = &piece,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof control };
        struct cmsghdr *head;

        if (!support_wait_readable(raw->fd, SUPPORT_WAIT_MS))
            fail_msg("no segment was offered");
        assert_true(recvmsg(raw->fd, &message, MSG_CMSG_CLOEXEC) > 0);
        head = CMSG_FIRSTHDR(&message);
        if (head)
            memcpy(&fd, CMSG_DATA(head), sizeof fd);
    }
    return fd;
}

static void open_shared(struct raw_peer *raw, int victim_serves, uint32_t ring)
{
    void *memory = NULL;
    int segment = -1;
    int offered;

    raw_open_greeted(raw, victim_serves, WPIPE_SHARED_NOW);
    offered = receive_offer(raw);
    raw->theirs =
        mmap(NULL, WPIPE__SEGMENT_MIN, PROT_READ, MAP_SHARED, offered, 0);
    assert_true(raw->theirs != MAP_FAILED);
    close(offered);
    assert_int_equal(
        wpipe__os_segment_make(ring + WPIPE__CONTROL_SIZE, &memory, &segment),
        0);
    raw->mine = memory;
    raw->ring = (uint8_t *)memory + WPIPE__CONTROL_SIZE;
    raw->ring_size = ring;
    raw->mine->magic = WPIPE__CONTROL_MAGIC;
    raw->mine->version = WPIPE__WIRE_VERSION;
    raw->mine->ring_size = ring;
    assert_true(raw_switch(raw, segment, ring));
    close(segment);
    assert_true(raw_frame(raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
    while (raw->link->transport->shared(raw->link) != 2)
        assert_true(raw->link->transport->pump(raw->link) >= 0);
    raw_ignore(raw);
}

void raw_open_shared(struct raw_peer *raw, int victim_serves)
{
    open_shared(raw, victim_serves, BUFFER);
}

void raw_open_shared_small(struct raw_peer *raw, int victim_serves)
{
    open_shared(raw, victim_serves, WPIPE__RING_MIN);
}

/* ---- what becomes of the victim ------------------------------------------ */

void raw_expect_greeting(struct raw_peer *raw, int error)
{
    int r = wpipe__native_greeted(raw->link);

    while (r == WPIPE__GREET_PENDING &&
           support_wait_readable(raw->link->socket, 0))
        r = wpipe__native_greeted(raw->link);
    assert_int_equal(r, error);
    assert_int_equal(wpipe__native_greeted(raw->link), error);
}

void raw_expect_end(struct raw_peer *raw, int error)
{
    int64_t start = support_now_ms();
    uint8_t bytes[64];
    int64_t r;

    do
        r = wpipe_read(raw->stream, bytes, sizeof bytes, RAW_SOON_MS / 4);
    while (r >= 0);
    assert_int_equal(r, error);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wpipe_read(raw->stream, bytes, 1, WPIPE_FOREVER),
                         error);
        assert_int_equal(wpipe_peek(raw->stream, NULL, 0, NULL, NULL), error);
        assert_int_equal(wpipe_write(raw->stream, bytes, 1, WPIPE_FOREVER),
                         error);
        r = wpipe_drain(raw->stream, WPIPE_FOREVER);
        assert_true(r == error || r == 0); /* it had read all there was */
        assert_int_equal(wpipe_finish(raw->stream), error);
    }
    assert_true(support_now_ms() - start < RAW_SOON_MS);
}

void raw_expect_alive(struct raw_peer *raw)
{
    uint8_t bytes[64];

    assert_true(raw_data(raw, 0, "alive", 5));
    assert_int_equal(
        wpipe_read(raw->stream, bytes, sizeof bytes, SUPPORT_WAIT_MS), 5);
    assert_memory_equal(bytes, "alive", 5);
    raw_ignore(raw);
    assert_int_equal(wpipe_write(raw->stream, "too", 3, SUPPORT_WAIT_MS), 3);
    assert_true(support_wait_readable(raw->fd, SUPPORT_WAIT_MS));
    raw_ignore(raw);
}

static int note(int64_t r, int *end, int64_t start)
{
    int64_t took = support_now_ms() - start;

    if (took > RAW_SOON_MS)
        fail_msg("a call took %lld ms", (long long)took);
    if (r < 0 && r != WPIPE_ETIMEDOUT && r != WPIPE_EABORTED && *end == 0)
        *end = (int)r;
    return r >= 0;
}

int raw_exercise(struct raw_peer *raw)
{
    static uint8_t bytes[3000];
    wpipe_stream *s = raw->stream;
    size_t available = 0;
    size_t left = 0;
    const void *view;
    size_t size;
    void *data;
    int end = 0;

    note(wpipe_peek(s, bytes, 100, &available, &left), &end, support_now_ms());
    note(wpipe_read(s, bytes, sizeof bytes, 0), &end, support_now_ms());
    note(wpipe_read(s, bytes, 7, 1), &end, support_now_ms());
    if (note(wpipe_read_begin(s, &view, &size, 0), &end, support_now_ms()))
        note(wpipe_read_end(s, size / 2), &end, support_now_ms());
    note(wpipe_write(s, bytes, 100, 0), &end, support_now_ms());
    note(wpipe_write(s, bytes, sizeof bytes, 1), &end, support_now_ms());
    if (note(wpipe_write_begin(s, 50, &data, 0), &end, support_now_ms())) {
        memset(data, 1, 50);
        note(wpipe_write_commit(s, 50, 0), &end, support_now_ms());
    }
    note(wpipe_drain(s, 0), &end, support_now_ms());
    note(wpipe_drain(s, 1), &end, support_now_ms());
    return end;
}

/* Resident pages: what was only announced does not count. */
size_t raw_memory(void)
{
    unsigned long pages = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &pages, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}
