/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that does not take what we send, for reasons of the system: for a
 * moment, then it goes all the same; or for good, then the connection ends, and
 * both ends are told. No bell is lost, and nobody sleeps on a message.
 */
#include "raw_peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe.h>

#include "os/os_test.h"
#include "support/forbid.h"

enum {
    SHORT = 3, /* sends in a row that find no memory */
    READY = 1
};

/* The victim shares its memory with us, who sleep for `mask`. */
static void open_asleep(struct raw_peer *raw, int serves, unsigned mask)
{
    raw_open_shared(raw, serves);
    atomic_store(&raw->mine->want, 1u << 8 | mask);
}

/* ---- for a moment -------------------------------------------------------- */

static void bell_refused_for_a_moment_rings_all_the_same(void **state)
{
    struct raw_peer raw;
    char byte = 0;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        open_asleep(&raw, serves, WPIPE__WANT_DATA);
        wpipe__os_test_short_sends(SHORT);
        assert_int_equal(wpipe_write(raw.stream, "one", 3, 0), 3);
        assert_int_equal(recv(raw.fd, &byte, 1, MSG_DONTWAIT), 1);
        assert_int_equal((uint8_t)byte, WPIPE__FRAME_BELL);
        raw_close(&raw);
    }
}

/* The one for room, that a reader owes. */
static void bell_of_reader_refused_for_a_moment_rings_all_the_same(void **state)
{
    const uint64_t word = 8;
    struct raw_peer raw;
    char buf[8];

    (void)state;
    open_asleep(&raw, 1, WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED);
    memcpy(raw.ring, &word, sizeof word);
    atomic_store(&raw.mine->head, 16);
    wpipe__os_test_short_sends(SHORT);
    assert_int_equal(wpipe_read(raw.stream, buf, sizeof buf, 0), 8);
    assert_int_equal(recv(raw.fd, buf, 1, MSG_DONTWAIT), 1);
    assert_int_equal((uint8_t)buf[0], WPIPE__FRAME_BELL);
    raw_close(&raw);
}

static void frame_refused_for_a_moment_goes_all_the_same(void **state)
{
    static const char large[8000];
    struct raw_peer raw;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        raw_open_greeted(&raw, serves, WPIPE_SHARED_NEVER);
        raw_ignore(&raw);
        wpipe__os_test_short_sends(SHORT);
        assert_int_equal(wpipe_write(raw.stream, "one", 3, 0), 3);
        assert_true(support_wait_readable(raw.fd, 0));
        raw_ignore(&raw);
        wpipe__os_test_short_sends(SHORT);
        assert_int_equal(wpipe_write(raw.stream, large, sizeof large, 0),
                         sizeof large);
        assert_true(support_wait_readable(raw.fd, 0));
        raw_expect_alive(&raw);
        raw_close(&raw);
    }
}

/* Part of it went: the rest goes, or the reason is the true one. */
static void frame_cut_in_the_middle_goes_on(void **state)
{
    struct raw_peer raw;

    (void)state;
    for (int refused = SHORT; refused <= 1000; refused += 1000 - SHORT) {
        raw_open_greeted(&raw, 1, WPIPE_SHARED_NEVER);
        raw_ignore(&raw);
        wpipe__os_test_cut_sends(1);
        wpipe__os_test_short_sends(refused);
        if (refused == SHORT) {
            assert_int_equal(wpipe_write(raw.stream, "one", 3, 0), 3);
            raw_expect_alive(&raw);
        } else {
            assert_int_equal(wpipe_write(raw.stream, "one", 3, 0),
                             WPIPE_ENOMEM);
            wpipe__os_test_short_sends(0);
            raw_expect_end(&raw, WPIPE_ENOMEM);
        }
        raw_close(&raw);
    }
}

/* ---- for good ------------------------------------------------------------ */

struct refusal {
    unsigned error;
    int result;
};

static const struct refusal refusals[] = {
    { ENOBUFS, WPIPE_ENOMEM }, { ENOMEM, WPIPE_ENOMEM },
    { EPERM, WPIPE_ESYSTEM },  { EACCES, WPIPE_ESYSTEM },
    { EIO, WPIPE_ESYSTEM },
};

/* Small ones go by sendto, those of the raw peer by sendmsg. */
static void refuse_sends(const struct refusal *r)
{
    support_forbid(SYS_sendto, SUPPORT_ANY, 0, r->error);
}

/* The peer wakes, since the socket has ended. */
static void expect_peer_woken(const struct raw_peer *raw)
{
    char byte;

    assert_true(support_wait_readable(raw->fd, SUPPORT_WAIT_MS));
    raw_ignore(raw);
    assert_int_equal(recv(raw->fd, &byte, 1, MSG_DONTWAIT), 0);
}

static int bell_for_good(int fd, void *argument)
{
    const struct refusal *r = argument;
    struct raw_peer raw;

    (void)fd;
    open_asleep(&raw, 1, WPIPE__WANT_DATA);
    refuse_sends(r);
    (void)wpipe_write(raw.stream, "one", 3, 0);
    expect_peer_woken(&raw);
    raw_expect_end(&raw, r->result);
    raw_close(&raw);
    return 0;
}

static int frame_for_good(int fd, void *argument)
{
    const struct refusal *r = argument;
    struct raw_peer raw;

    (void)fd;
    raw_open_greeted(&raw, 1, WPIPE_SHARED_NEVER);
    refuse_sends(r);
    assert_int_equal(wpipe_write(raw.stream, "one", 3, SUPPORT_WAIT_MS),
                     r->result);
    expect_peer_woken(&raw);
    raw_expect_end(&raw, r->result);
    raw_close(&raw);
    return 0;
}

static void for_each_refusal(int (*act)(int fd, void *argument))
{
    struct helper helper;

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct refusal r = refusals[i];

        helper_fork(&helper, act, &r);
        if (helper_join(&helper) != 0)
            fail_msg("with %s", strerror((int)r.error));
    }
}

static void bell_refused_for_good_ends_the_connection(void **state)
{
    (void)state;
    for_each_refusal(bell_for_good);
}

static void frame_refused_for_good_ends_the_connection(void **state)
{
    (void)state;
    for_each_refusal(frame_for_good);
}

/* ---- servers ------------------------------------------------------------- */

static int client(int fd, void *argument)
{
    wpipe_stream *stream = NULL;
    char buf[16];

    assert_int_equal(wpipe_connect(&stream, argument, NULL, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_write(stream, "hello", 5, 0), 5);
    assert_true(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS) < 0);
    event_send(fd, READY);
    wpipe_stream_close(stream);
    return 0;
}

static void expect_event(wpipe_server *server, wpipe_event *event, int type)
{
    assert_int_equal(wpipe_server_wait(server, event, SUPPORT_WAIT_MS), 1);
    assert_int_equal(event->type, type);
}

/* A server tells of the client whom it could not send to, although nothing
 * comes from that one any more. */
static int serve_until_refused(int fd, void *argument)
{
    const struct refusal *r = argument;
    const wpipe_options options = { .size = sizeof options,
                                    .type = WPIPE_MESSAGE,
                                    .shared_memory = WPIPE_SHARED_NEVER };
    char *name = (char *)(uintptr_t)support_unique_name();
    struct helper helper;
    wpipe_server *server = NULL;
    wpipe_event event;
    wpipe_id id;
    int sent;

    (void)fd;
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    helper_start(&helper, client, name);
    expect_event(server, &event, WPIPE_EVENT_CONNECTED);
    id = event.from;
    expect_event(server, &event, WPIPE_EVENT_MESSAGE);
    refuse_sends(r);
    sent = wpipe_server_send(server, id, "answer", 6);
    assert_true(sent == WPIPE_ENOTCONN || sent == r->result);
    expect_event(server, &event, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(event.from, id);
    assert_int_equal(event.error, r->result);
    event_expect(helper.fd, READY);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_server_close(server);
    return 0;
}

static void client_that_cannot_be_sent_to_is_told_of(void **state)
{
    (void)state;
    for_each_refusal(serve_until_refused);
}

static const struct support_case cases[] = {
    TEST(bell_refused_for_a_moment_rings_all_the_same),
    TEST(bell_of_reader_refused_for_a_moment_rings_all_the_same),
    TEST(frame_refused_for_a_moment_goes_all_the_same),
    TEST(frame_cut_in_the_middle_goes_on),
    TEST(bell_refused_for_good_ends_the_connection),
    TEST(frame_refused_for_good_ends_the_connection),
    TEST(client_that_cannot_be_sent_to_is_told_of),
};

TEST_MAIN(cases)
