/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that may not make one of the calls that shared memory takes, as in
 * a sandbox: its connections stay on their sockets, whoever offers first, and
 * go on as if nothing had been offered.
 */
#include "raw_peer.h"

#include <errno.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "support/forbid.h"

enum {
    RING = 65536,
    OTHER = 65534
};

struct lacking {
    const struct support_call *call;
    unsigned error;
    int serves;
    wpipe__handle segment; /* made before */
};

static void forbid(const struct lacking *l)
{
    support_forbid(l->call->number, l->call->index, l->call->value, l->error);
}

/* We offer as soon as we can. */
static int offers(int fd, void *argument)
{
    const struct lacking *l = argument;
    struct raw_peer raw;

    (void)fd;
    forbid(l);
    raw_open_greeted(&raw, l->serves, WPIPE_SHARED_NOW);
    raw_expect_alive(&raw);
    assert_true(raw.link->transport->shared(raw.link) <= 0);
    /* the peer may offer all the same */
    assert_true(raw_switch(&raw, l->segment, RING));
    raw_expect_alive(&raw);
    raw_close(&raw);
    return 0;
}

/* The peer does. */
static int is_offered(int fd, void *argument)
{
    const struct lacking *l = argument;
    struct raw_peer raw;

    (void)fd;
    forbid(l);
    raw_open_greeted(&raw, l->serves, WPIPE_SHARED_AUTO);
    assert_true(raw_switch(&raw, l->segment, RING));
    raw_expect_alive(&raw);
    assert_int_equal(raw.link->transport->shared(raw.link), WPIPE_ENOTSUP);
    raw_close(&raw);
    return 0;
}

static void stays_on_the_socket(int (*act)(int fd, void *argument))
{
    static const unsigned errors[] = { EPERM, ENOSYS };
    struct wpipe__control *words;
    struct lacking l;
    struct helper helper;
    void *memory = NULL;

    assert_int_equal(
        wpipe__os_segment_make(RING + WPIPE__CONTROL_SIZE, &memory, &l.segment),
        0);
    words = memory;
    words->magic = WPIPE__CONTROL_MAGIC;
    words->version = WPIPE__WIRE_VERSION;
    words->ring_size = RING;
    for (size_t i = 0; i < 4 * SUPPORT_SEGMENT_CALLS; i++) {
        l.call = &support_segment_calls[i / 4];
        l.error = errors[i % 2];
        l.serves = i / 2 % 2;
        helper_fork(&helper, act, &l);
        if (helper_join(&helper) != 0)
            fail_msg("without %s (%u)", l.call->name, l.error);
    }
    wpipe__os_segment_unmap(memory, RING + WPIPE__CONTROL_SIZE);
    wpipe__os_close(l.segment);
}

static void who_lacks_a_call_and_offers_stays_on_the_socket(void **state)
{
    (void)state;
    stays_on_the_socket(offers);
}

static void who_lacks_a_call_and_is_offered_stays_on_the_socket(void **state)
{
    (void)state;
    stays_on_the_socket(is_offered);
}

/* Before Linux 6.5 a segment of somebody else may be full of holes. */
static void others_whose_pages_cannot_be_counted_stay_on_the_socket(
    void **state)
{
    wpipe__handle segment = WPIPE__NO_HANDLE;
    void *memory = NULL;
    struct raw_peer raw;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become another user");
    support_forbid(451, SUPPORT_ANY, 0, ENOSYS);
    assert_int_equal(
        wpipe__os_segment_make(RING + WPIPE__CONTROL_SIZE, &memory, &segment),
        0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(seteuid(OTHER), 0);
        raw_open_with(&raw, i % 2, i < 2 ? WPIPE_SHARED_NOW : WPIPE_SHARED_AUTO,
                      WPIPE_TRUST_PEER);
        assert_int_equal(seteuid(0), 0);
        raw_be_greeted(&raw);
        (void)raw_switch(&raw, segment, RING); /* the kernel may refuse it */
        raw_expect_alive(&raw);
        assert_int_equal(raw.link->transport->shared(raw.link), WPIPE_ENOTSUP);
        raw_close(&raw);
    }
    wpipe__os_segment_unmap(memory, RING + WPIPE__CONTROL_SIZE);
    wpipe__os_close(segment);
}

static const struct support_case cases[] = {
    TEST(who_lacks_a_call_and_offers_stays_on_the_socket),
    TEST(who_lacks_a_call_and_is_offered_stays_on_the_socket),
    TEST(others_whose_pages_cannot_be_counted_stay_on_the_socket),
};

TEST_MAIN(cases)
