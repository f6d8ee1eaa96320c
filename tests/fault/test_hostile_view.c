/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that is looked at in place: a peer that is not trusted cannot
 * change what is looked at.
 */
#include "raw_peer.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/memory.h"
#include "stream/stream.h"

/* A record at the beginning of our ring. */
static void put_in_ring(struct raw_peer *raw, const char *text)
{
    const uint64_t word = strlen(text);

    memcpy(raw->ring, &word, sizeof(word));
    memcpy(raw->ring + WPIPE__RECORD_HEADER, text, strlen(text));
    atomic_store(&raw->mine->head,
                 wpipe__record_space(0, (uint32_t)strlen(text)));
}

static void view_of_a_ring_is_a_copy_unless_the_peer_is_trusted(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const int trusted = i / 2;
        const void *view = NULL;
        struct raw_peer raw;
        size_t size = 0;

        raw_open_shared(&raw, i % 2);
        raw.stream->trusts_peer = trusted;
        put_in_ring(&raw, "as it was");
        assert_int_equal(
            wpipe_read_begin(raw.stream, &view, &size, SUPPORT_WAIT_MS), 0);
        assert_int_equal(size, 9);
        memcpy(raw.ring + WPIPE__RECORD_HEADER, "otherwise", 9);
        assert_memory_equal(view, trusted ? "otherwise" : "as it was", 9);
        assert_int_equal(wpipe_read_end(raw.stream, size), 0);
        raw_close(&raw);
    }
}

/* Without memory for the copy nothing is lost, and the next try has it. */
static void view_without_memory_is_enomem_and_loses_nothing(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        const void *view = NULL;
        struct raw_peer raw;
        size_t size = 0;

        raw_open(&raw, serves, WPIPE_SHARED_NEVER);
        raw.link->own_user = 0; /* somebody else */
        raw_be_greeted(&raw);
        assert_true(raw_data(&raw, 0, "whole", 5));
        assert_int_equal(raw.link->transport->pump(raw.link), 1);
        wpipe__memory_fail_at(1);
        assert_int_equal(wpipe_read_begin(raw.stream, &view, &size, 0),
                         WPIPE_ENOMEM);
        wpipe__memory_fail_at(0);
        assert_null(view);
        assert_int_equal(wpipe_read_begin(raw.stream, &view, &size, 0), 0);
        assert_int_equal(size, 5);
        assert_memory_equal(view, "whole", 5);
        assert_int_equal(wpipe_read_end(raw.stream, size), 0);
        raw_close(&raw);
    }
}

static const struct support_case cases[] = {
    TEST(view_of_a_ring_is_a_copy_unless_the_peer_is_trusted),
    TEST(view_without_memory_is_enomem_and_loses_nothing),
};

TEST_MAIN(cases)
