/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A move to shared memory that one end cannot make, breaks off, or makes with
 * words that are lies. The connection stays on its socket or ends; nothing that
 * came stays open.
 */
#include "raw_peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "native/native.h"
#include "os/os_test.h"
#include "support/forbid.h"

enum {
    RING = 65536
};

/* A segment as an honest peer makes it, still writable here. */
struct segment {
    struct wpipe__control *words;
    size_t size;
    wpipe__handle fd;
};

static struct segment make_segment(uint32_t ring)
{
    struct segment s = { .size = WPIPE__CONTROL_SIZE + (size_t)ring };
    void *memory = NULL;

    assert_int_equal(wpipe__os_segment_make(s.size, &memory, &s.fd), 0);
    s.words = memory;
    s.words->magic = WPIPE__CONTROL_MAGIC;
    s.words->version = WPIPE__WIRE_VERSION;
    s.words->ring_size = ring;
    return s;
}

static void free_segment(struct segment *s)
{
    wpipe__os_segment_unmap(s->words, s->size);
    wpipe__os_close(s->fd);
}

/* What the victim does with all that was sent: 0, or the end. */
static int pump(struct raw_peer *raw)
{
    int r;

    do
        r = raw->link->transport->pump(raw->link);
    while (r > 0);
    return r;
}

/* ---- words that are lies ------------------------------------------------- */

static void segment_with_words_of_another_is_eproto(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct segment s = make_segment(RING);
        struct raw_peer raw;

        if (i / 2 == 0)
            s.words->magic++;
        else if (i / 2 == 1)
            s.words->version++;
        else
            s.words->ring_size /= 2;
        raw_open_greeted(&raw, i % 2, WPIPE_SHARED_AUTO);
        assert_true(raw_switch(&raw, s.fd, RING));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        free_segment(&s);
    }
}

/* It says to have read what was never written. */
static void segment_that_has_read_too_much_is_eproto(void **state)
{
    static const uint64_t tails[] = { 8, 1u << 30 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct segment s = make_segment(RING);
        struct raw_peer raw;

        atomic_store(&s.words->tail, tails[i / 2]);
        raw_open_greeted(&raw, i % 2, WPIPE_SHARED_NOW);
        assert_true(raw_switch(&raw, s.fd, RING));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        free_segment(&s);
    }
}

/* ---- more than one ------------------------------------------------------- */

/* A third one, on its way before the second was looked at. */
static void segment_behind_the_last_one_is_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct segment s = make_segment(RING);
        struct raw_peer raw;
        size_t open;

        raw_open_shared_small(&raw, serves);
        open = support_count_descriptors();
        assert_true(raw_switch_at(&raw, s.fd, RING, 8));
        assert_true(raw_switch_at(&raw, s.fd, RING, 8));
        assert_int_equal(pump(&raw), WPIPE_EPROTO);
        assert_true(support_wait_descriptors(open + 1));
        raw_close(&raw);
        free_segment(&s);
    }
}

/* Two offers to one that cannot have a segment of its own; it has said so to
 * the first one by the time that it reads the second. */
static void segment_behind_a_declined_one_is_eproto(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct segment s = make_segment(WPIPE__RING_MIN);
        struct raw_peer raw;

        wpipe__os_test_no_memory(1);
        raw_open_greeted(&raw, i % 2,
                         i < 2 ? WPIPE_SHARED_NOW : WPIPE_SHARED_AUTO);
        assert_true(raw_switch(&raw, s.fd, WPIPE__RING_MIN));
        assert_true(raw_switch(&raw, s.fd, WPIPE__RING_MIN));
        assert_int_equal(pump(&raw), WPIPE_EPROTO);
        wpipe__os_test_no_memory(0);
        raw_close(&raw);
        free_segment(&s);
    }
}

/* ---- after a STAY -------------------------------------------------------- */

/* Greeted, and it has declined what we offered. */
static void open_declined(struct raw_peer *raw, int serves)
{
    struct segment s = make_segment(RING);

    wpipe__os_test_no_memory(1);
    raw_open_greeted(raw, serves, WPIPE_SHARED_AUTO);
    assert_true(raw_switch(raw, s.fd, RING));
    assert_int_equal(raw->link->transport->pump(raw->link), 1);
    wpipe__os_test_no_memory(0);
    assert_int_equal(raw->link->transport->shared(raw->link), WPIPE_ENOTSUP);
    free_segment(&s);
}

static void stay_of_both_ends_is_borne(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;

        open_declined(&raw, serves);
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        raw_expect_alive(&raw);
        raw_close(&raw);
    }
}

static void moved_after_stay_is_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;

        open_declined(&raw, serves);
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* ---- what breaks off in between ------------------------------------------ */

/* We have left, and go on reading: an offer is not answered with another. */
static void segment_after_we_left_is_not_answered(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct segment s = make_segment(RING);
        struct raw_peer raw;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
        raw.link->transport->leave(raw.link, WPIPE__STATE_CLOSED);
        assert_true(raw_switch(&raw, s.fd, RING));
        assert_int_equal(pump(&raw), 0);
        assert_false(wpipe__native(raw.link)->offered);
        assert_int_equal(raw.link->transport->shared(raw.link), WPIPE_ENOTSUP);
        raw_close(&raw);
        free_segment(&s);
    }
}

/* Ours is on its way, and theirs finds no descriptor: neither way is left. */
static void segment_without_a_descriptor_after_ours_ends(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct segment s = make_segment(RING);
        struct rlimit before;
        struct raw_peer raw;
        int r;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_NOW);
        assert_true(raw_switch(&raw, s.fd, RING));
        before = support_use_up_descriptors();
        r = pump(&raw);
        support_give_back_descriptors(before);
        assert_int_equal(r, WPIPE_ELIMIT);
        raw_close(&raw);
        free_segment(&s);
    }
}

static int answer_refused(int fd, void *argument)
{
    struct segment s = make_segment(RING);
    struct raw_peer raw;

    (void)fd;
    raw_open_greeted(&raw, *(const int *)argument, WPIPE_SHARED_AUTO);
    assert_true(raw_switch(&raw, s.fd, RING));
    support_forbid(SYS_sendmsg, SUPPORT_ANY, 0, EIO);
    assert_int_equal(pump(&raw), WPIPE_ESYSTEM);
    raw_close(&raw);
    free_segment(&s);
    return 0;
}

/* The system does not let us send ours. */
static void segment_that_cannot_be_answered_ends(void **state)
{
    struct helper helper;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        helper_fork(&helper, answer_refused, &serves);
        assert_int_equal(helper_join(&helper), 0);
    }
}

static const struct support_case cases[] = {
    TEST(segment_with_words_of_another_is_eproto),
    TEST(segment_that_has_read_too_much_is_eproto),
    TEST(segment_behind_the_last_one_is_eproto),
    TEST(segment_behind_a_declined_one_is_eproto),
    TEST(stay_of_both_ends_is_borne),
    TEST(moved_after_stay_is_eproto),
    TEST(segment_after_we_left_is_not_answered),
    TEST(segment_without_a_descriptor_after_ours_ends),
    TEST(segment_that_cannot_be_answered_ends),
};

TEST_MAIN(cases)
