/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight processes send a server a million messages of random sizes, 0 to 64
 * KiB, on connections that are framed, shared, or move: none is lost, doubled,
 * changed or out of its sender's order.
 */
#include "support.h"

#include <string.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

enum {
    SENDERS = 8,
    EACH = 125000,
    LARGEST = 65536,
    HEAD = 12 /* sender, number, checksum */
};

struct order {
    const char *name;
    uint32_t sender;
};

static uint32_t random_next(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

/* Small ones mostly, and now and then any size up to the largest. */
static uint32_t random_size(uint64_t *random)
{
    const uint32_t r = random_next(random);

    return HEAD +
           random_next(random) % (r % 16 == 0 ? LARGEST - HEAD + 1 : 500);
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t a = 1;
    uint32_t b = 0;

    for (size_t i = 0; i < size; i++) {
        a += bytes[i];
        b += a;
    }
    return a ^ b << 7;
}

static void make(uint8_t *bytes, uint32_t size, uint32_t sender,
                 uint32_t number)
{
    uint32_t sum;

    for (uint32_t i = HEAD; i < size; i++)
        bytes[i] = (uint8_t)(number + i * 7 + (i >> 8) + sender);
    sum = checksum(bytes + HEAD, size - HEAD);
    memcpy(bytes, &sender, 4);
    memcpy(bytes + 4, &number, 4);
    memcpy(bytes + 8, &sum, 4);
}

static int be_sender(int fd, void *argument)
{
    static const int ways[] = { WPIPE_SHARED_AUTO, WPIPE_SHARED_NOW,
                                WPIPE_SHARED_NEVER };
    static uint8_t bytes[LARGEST];
    const struct order *order = argument;
    const wpipe_options options = { .size = sizeof options,
                                    .type = WPIPE_MESSAGE,
                                    .shared_memory = ways[order->sender % 3] };
    uint64_t random = order->sender + 77;
    wpipe_stream *stream = NULL;

    assert_int_equal(
        wpipe_connect(&stream, order->name, &options, SUPPORT_WAIT_MS), 0);
    for (uint32_t i = 0; i < EACH; i++) {
        const uint32_t size = random_size(&random);

        make(bytes, size, order->sender, i);
        assert_int_equal(wpipe_write(stream, bytes, size, SUPPORT_WAIT_MS),
                         size);
        if (i % 1000 == 999) /* and an empty one */
            assert_int_equal(wpipe_write(stream, bytes, 0, SUPPORT_WAIT_MS), 0);
    }
    assert_int_equal(wpipe_drain(stream, 10 * SUPPORT_WAIT_MS), 0);
    wpipe_stream_close(stream);
    event_send(fd, 1);
    return 0;
}

static void judge(const wpipe_event *e, uint32_t next[SENDERS],
                  uint64_t randoms[SENDERS])
{
    const uint8_t *bytes = e->data;
    uint32_t head[3];

    memcpy(head, bytes, HEAD);
    assert_true(head[0] < SENDERS);
    if (head[1] != next[head[0]]++)
        fail_msg("message %u of sender %u, not %u", head[1], head[0],
                 next[head[0]] - 1);
    assert_int_equal(e->size, random_size(&randoms[head[0]]));
    assert_int_equal(checksum(bytes + HEAD, e->size - HEAD), head[2]);
}

static void million_messages_of_eight_arrive(void **state)
{
    struct helper helpers[SENDERS];
    struct order order = { .name = support_unique_name() };
    uint32_t next[SENDERS] = { 0 };
    uint64_t randoms[SENDERS];
    wpipe_server *server = NULL;
    long messages = 0;
    long empty = 0;
    wpipe_event e;

    (void)state;
    assert_int_equal(wpipe_server_open(&server, order.name, NULL), 0);
    for (uint32_t i = 0; i < SENDERS; i++) {
        order.sender = i;
        randoms[i] = i + 77;
        helper_start(&helpers[i], be_sender, &order);
    }
    for (int gone = 0; gone < SENDERS;) {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        gone += e.type == WPIPE_EVENT_DISCONNECTED;
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
        if (e.type != WPIPE_EVENT_MESSAGE)
            continue;
        empty += e.size == 0;
        if (e.size > 0) {
            judge(&e, next, randoms);
            messages++;
        }
    }
    assert_int_equal(messages, SENDERS * EACH);
    assert_int_equal(empty, SENDERS * (EACH / 1000));
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(helper_join(&helpers[i]), 0);
    wpipe_server_close(server);
}

static const struct support_case cases[] = {
    TEST_SOAK(million_messages_of_eight_arrive),
};

TEST_MAIN(cases)
