/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts: what a server tells about itself, there and back, and what is not
 * believed.
 */
#include "connect/facts.h"

#include <string.h>

#include "base/base.h"
#include "base/memory.h"
#include "support.h"

static const wpipe_pipe_facts pipe_sample = { .type = WPIPE_MESSAGE,
                                              .access = WPIPE_ACCESS_GROUP,
                                              .clients = 2,
                                              .max_clients = 10,
                                              .total_clients = 1234567890123,
                                              .refused = 5 };

static const struct wpipe__link_fact link_sample = { .id = 0x700000002,
                                                     .uid = 1000,
                                                     .gid = 100,
                                                     .pid = 4242,
                                                     .shared = 2,
                                                     .messages_in = 1,
                                                     .messages_out = 2,
                                                     .bytes_in = 3,
                                                     .bytes_out = 4,
                                                     .queued = 5,
                                                     .age_us = 6,
                                                     .idle_us = 7,
                                                     .dropped = 8 };

static void encode(struct wpipe__buffer *out, int links)
{
    struct wpipe__link_fact link = link_sample;

    assert_int_equal(wpipe__facts_begin(out, &pipe_sample), 0);
    for (int i = 0; i < links; i++, link.id++)
        assert_int_equal(wpipe__facts_add(out, &link), 0);
}

static void facts_told_arrive(void **state)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { .size = 77 };
    struct wpipe__link_fact links[3];

    (void)state;
    encode(&out, 2);
    assert_int_equal(wpipe__facts_decode(wpipe__buffer_front(&out),
                                         wpipe__buffer_size(&out), &pipe, links,
                                         3),
                     2);
    assert_int_equal(pipe.size, 77);
    assert_int_equal(pipe.type, WPIPE_MESSAGE);
    assert_int_equal(pipe.access, WPIPE_ACCESS_GROUP);
    assert_int_equal(pipe.clients, 2);
    assert_int_equal(pipe.max_clients, 10);
    assert_int_equal(pipe.total_clients, 1234567890123);
    assert_int_equal(pipe.refused, 5);
    assert_int_equal(links[0].id, link_sample.id);
    assert_int_equal(links[1].id, link_sample.id + 1);
    links[1].id--;
    assert_int_equal(links[1].uid, 1000);
    assert_int_equal(links[1].gid, 100);
    assert_int_equal(links[1].pid, 4242);
    assert_int_equal(links[1].shared, 2);
    assert_int_equal(links[1].messages_in, 1);
    assert_int_equal(links[1].messages_out, 2);
    assert_int_equal(links[1].bytes_in, 3);
    assert_int_equal(links[1].bytes_out, 4);
    assert_int_equal(links[1].queued, 5);
    assert_int_equal(links[1].age_us, 6);
    assert_int_equal(links[1].idle_us, 7);
    assert_int_equal(links[1].dropped, 8);
    wpipe__buffer_done(&out);
}

/* A server that was built before the age was told. */
static void facts_of_an_older_server_arrive(void **state)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact link;

    (void)state;
    encode(&out, 1);
    wpipe__store_u32(out.data + 4, 72);
    assert_int_equal(wpipe__facts_decode(out.data, 40 + 72, &pipe, &link, 1),
                     1);
    assert_int_equal(link.queued, 5);
    assert_int_equal(link.age_us, 0);
    assert_int_equal(link.dropped, 0);
    wpipe__buffer_done(&out);
}

static void facts_less_room_fewer_links(void **state)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact link;

    (void)state;
    encode(&out, 2);
    assert_int_equal(wpipe__facts_decode(wpipe__buffer_front(&out),
                                         wpipe__buffer_size(&out), &pipe, &link,
                                         1),
                     1);
    assert_int_equal(wpipe__facts_decode(wpipe__buffer_front(&out),
                                         wpipe__buffer_size(&out), &pipe, NULL,
                                         0),
                     0);
    wpipe__buffer_done(&out);
}

/* Change one word of a good answer; it is refused and *pipe untouched. */
static void expect_bad(size_t at, uint32_t word, int error)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { .clients = 99 };
    struct wpipe__link_fact links[2];

    encode(&out, 2);
    wpipe__store_u32(out.data + at, word);
    assert_int_equal(wpipe__facts_decode(out.data, wpipe__buffer_size(&out),
                                         &pipe, links, 2),
                     error);
    assert_int_equal(pipe.clients, 99);
    wpipe__buffer_done(&out);
}

static void facts_nonsense_refused(void **state)
{
    (void)state;
    expect_bad(0, 2, WPIPE_EVERSION);
    expect_bad(4, 71, WPIPE_EPROTO); /* too short for what we know */
    expect_bad(4, 73, WPIPE_EPROTO); /* not a divisor of the rest */
    expect_bad(4, 0, WPIPE_EPROTO);
    expect_bad(4, UINT32_MAX, WPIPE_EPROTO);
    expect_bad(8, 0, WPIPE_EPROTO);       /* type */
    expect_bad(12, 3, WPIPE_EPROTO);      /* access */
    expect_bad(40 + 24, 3, WPIPE_EPROTO); /* shared */
}

static void facts_too_many_links_refused(void **state)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact link;

    (void)state;
    encode(&out, WPIPE__FACTS_LINKS);
    assert_int_equal(wpipe__facts_decode(wpipe__buffer_front(&out),
                                         wpipe__buffer_size(&out), &pipe, &link,
                                         1),
                     1);
    assert_int_equal(wpipe__facts_add(&out, &link_sample), 0);
    assert_int_equal(wpipe__facts_decode(wpipe__buffer_front(&out),
                                         wpipe__buffer_size(&out), &pipe, &link,
                                         1),
                     WPIPE_EPROTO);
    wpipe__buffer_done(&out);
}

static void facts_every_cut_refused_or_shorter(void **state)
{
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact links[3];

    (void)state;
    encode(&out, 3);
    for (size_t size = 0; size < wpipe__buffer_size(&out); size++) {
        uint8_t *cut = wpipe__resize(NULL, size); /* to its last byte */
        int r;

        assert_non_null(cut);
        memcpy(cut, out.data, size);
        r = wpipe__facts_decode(cut, size, &pipe, links, 3);
        if (size >= 40 && (size - 40) % 96 == 0)
            assert_int_equal(r, (size - 40) / 96);
        else
            assert_int_equal(r, WPIPE_EPROTO);
        wpipe__free(cut);
    }
    wpipe__buffer_done(&out);
}

/* A later version tells more of each connection. */
static void facts_longer_links_understood(void **state)
{
    uint8_t bytes[40 + 2 * 104] = { 0 };
    struct wpipe__buffer out = { 0 };
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact links[2];

    (void)state;
    encode(&out, 2);
    memcpy(bytes, out.data, 40);
    memcpy(bytes + 40, out.data + 40, 96);
    memcpy(bytes + 40 + 104, out.data + 40 + 96, 96);
    wpipe__store_u32(bytes + 4, 104);
    assert_int_equal(wpipe__facts_decode(bytes, sizeof(bytes), &pipe, links, 2),
                     2);
    assert_int_equal(links[1].id, link_sample.id + 1);
    wpipe__buffer_done(&out);
}

static const struct support_case cases[] = {
    TEST(facts_told_arrive),
    TEST(facts_of_an_older_server_arrive),
    TEST(facts_less_room_fewer_links),
    TEST(facts_nonsense_refused),
    TEST(facts_too_many_links_refused),
    TEST(facts_every_cut_refused_or_shorter),
    TEST(facts_longer_links_understood),
};

TEST_MAIN(cases)
