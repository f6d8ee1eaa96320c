/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greetings that come to nothing, or to less than both ends wished: peers that
 * are too old, refuse what they were asked for or chose what was not offered,
 * sockets that take too little, and memory that is short just then.
 */
#include "raw_peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "native/native.h"
#include "os/os_test.h"
#include "stream/stream.h"
#include "support/forbid.h"

enum {
    SERVER = 1,
    CLIENT = 0,
    NEVER = WPIPE_SHARED_NEVER,
    OTHER = 65534,
    FOR_LONG = 1000 /* more sends than anybody tries */
};

static bool say_hello(const struct raw_peer *raw,
                      const struct wpipe__greeting *g)
{
    return raw_greet(raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, g);
}

static bool say_verdict(const struct raw_peer *raw,
                        const struct wpipe__greeting *g)
{
    return raw_greet(raw, WPIPE__FRAME_VERDICT, WPIPE__HELLO_MAGIC, g);
}

/* A server that has heard an honest hello. */
static void open_greeted_server(struct raw_peer *raw, int shared_memory,
                                const struct wpipe__greeting *hello)
{
    raw_open(raw, SERVER, shared_memory);
    assert_true(say_hello(raw, hello));
    raw_expect_greeting(raw, WPIPE__GREET_HELLO);
}

/* ---- what does not fit --------------------------------------------------- */

static void hello_of_an_earlier_version_is_refused(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;

    (void)state;
    g.version_low = g.version_high = 0;
    open_greeted_server(&raw, NEVER, &g);
    assert_int_equal(wpipe__native_admit(raw.link), WPIPE_EVERSION);
    raw_close(&raw);
}

/* It wants neither to connect nor to ask. */
static void hello_for_another_purpose_is_eproto(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;

    (void)state;
    g.code = WPIPE__GREET_QUERY + 1;
    raw_open(&raw, SERVER, NEVER);
    assert_true(say_hello(&raw, &g));
    raw_expect_greeting(&raw, WPIPE_EPROTO);
    raw_close(&raw);
}

/* A server that lets us in tells the type, and not one of its own. */
static void verdict_that_accepts_what_was_not_asked_is_eproto(void **state)
{
    struct wpipe__greeting g;
    struct raw_peer raw;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        g = raw_greeting();
        g.type = kind ? WPIPE_BYTE : 0; /* we asked for messages */
        raw_open(&raw, CLIENT, NEVER);
        assert_true(say_verdict(&raw, &g));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void answer_to_a_query_that_is_none_is_eproto(void **state)
{
    const uint8_t *facts;
    size_t size;
    struct raw_peer raw;

    (void)state;
    raw_open(&raw, CLIENT, NEVER);
    assert_true(raw_send(&raw, "this is no frame, whatever it is", 32));
    assert_int_equal(wpipe__native_facts(raw.link, &facts, &size),
                     WPIPE_EPROTO);
    raw_close(&raw);
}

/* ---- one direction of a pipe that has two -------------------------------- */

static void client_that_only_reads_is_never_waited_for(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;
    char byte;

    (void)state;
    g.direction = WPIPE_IN;
    raw_open(&raw, SERVER, NEVER);
    assert_true(say_hello(&raw, &g));
    raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    assert_int_equal(wpipe__native_admit(raw.link), 0);
    assert_true(raw.link->terms.silent_peer);
    assert_int_equal(raw.link->terms.ring_in, WPIPE__RING_MIN);
    assert_true(raw.link->terms.ring_out > WPIPE__RING_MIN);
    assert_int_equal(wpipe__stream_make(raw.link, &raw.options, 1, &raw.stream),
                     0);
    assert_int_equal(wpipe_write(raw.stream, "x", 1, SUPPORT_WAIT_MS), 1);
    /* as it has finished writing before it began */
    assert_true(raw_data(&raw, WPIPE__RECORD_FIN, NULL, 0));
    assert_int_equal(wpipe_read(raw.stream, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EOF);
    raw_close(&raw);
}

static void client_that_only_writes_has_no_ring_to_read(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;
    char byte;

    (void)state;
    g.direction = WPIPE_OUT;
    raw_open(&raw, SERVER, NEVER);
    assert_true(say_hello(&raw, &g));
    raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    assert_int_equal(wpipe__native_admit(raw.link), 0);
    assert_int_equal(raw.link->terms.ring_out, WPIPE__RING_MIN);
    assert_true(raw.link->terms.ring_in > WPIPE__RING_MIN);
    assert_int_equal(wpipe__stream_make(raw.link, &raw.options, 1, &raw.stream),
                     0);
    assert_true(raw_data(&raw, 0, "x", 1));
    assert_int_equal(wpipe_read(raw.stream, &byte, 1, SUPPORT_WAIT_MS), 1);
    raw_close(&raw);
}

/* ---- shared memory ------------------------------------------------------- */

/* Required at the server, and there: the client offers its own in turn. */
static void memory_required_of_one_who_shares_is_offered(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;

    (void)state;
    open_greeted_server(&raw, WPIPE_SHARED_REQUIRED, &g);
    assert_int_equal(wpipe__native_admit(raw.link), 0);
    assert_true(wpipe__native(raw.link)->offered);
    assert_int_equal(wpipe__native_greeted(raw.link), WPIPE__GREET_DONE);
    raw_close(&raw);
}

static void memory_required_of_one_who_stays_ends(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_REQUIRED);
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        raw_expect_end(&raw, WPIPE_ENOTSUP);
        raw_close(&raw);
    }
}

/* Root's memory is taken without counting its pages, that of others is not. */
static void memory_of_root_is_trusted(void **state)
{
    const int is_root = geteuid() == 0;

    (void)state;
    support_forbid(451, SUPPORT_ANY, 0, ENOSYS); /* cachestat: counts pages */
    for (int root = 0; root < 2; root++) {
        struct wpipe__greeting g = raw_greeting();
        struct raw_peer raw;

        open_greeted_server(&raw, WPIPE_SHARED_AUTO, &g);
        raw.link->peer.uid = root ? 0 : geteuid() + 1;
        if (is_root) /* then it is the server who is somebody else */
            assert_int_equal(seteuid(root ? OTHER : 0), 0);
        assert_int_equal(wpipe__native_admit(raw.link), 0);
        assert_int_equal(wpipe__native(raw.link)->willing, root);
        if (is_root)
            assert_int_equal(seteuid(0), 0);
        raw_close(&raw);
    }
}

/* ---- what the system refuses --------------------------------------------- */

static int meet_small_buffer(int fd, void *argument)
{
    const int serves = *(const int *)argument;
    struct wpipe__greeting g = raw_greeting();
    struct wpipe__link *link = NULL;
    wpipe__handle pair[2];
    struct raw_peer raw;

    (void)fd;
    raw_open(&raw, SERVER, NEVER);
    if (serves) {
        assert_true(say_hello(&raw, &g));
        raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    }
    support_forbid(SYS_getsockopt, 2, SO_SNDBUF, ENOPROTOOPT);
    if (serves) {
        assert_int_equal(wpipe__native_admit(raw.link), WPIPE_ELIMIT);
        assert_int_equal(wpipe__native_greeted(raw.link), WPIPE_ELIMIT);
    } else {
        assert_int_equal(wpipe__os_socket_pair(pair), 0);
        assert_int_equal(wpipe__native_dial(pair[0], &raw.options, 0, 0, &link),
                         WPIPE_ELIMIT);
        wpipe__os_close(pair[1]);
    }
    raw_close(&raw);
    return 0;
}

/* A socket that does not take a window is no connection. */
static void socket_that_takes_too_little_is_elimit(void **state)
{
    struct helper helper;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        helper_fork(&helper, meet_small_buffer, &serves);
        assert_int_equal(helper_join(&helper), 0);
    }
}

/* The verdict cannot be sent, though the client is there. */
static void verdict_without_memory_is_enomem(void **state)
{
    struct wpipe__greeting g = raw_greeting();

    (void)state;
    for (int inherits = 0; inherits < 2; inherits++) {
        struct raw_peer raw;
        int r;

        raw_open(&raw, SERVER, NEVER);
        assert_true(say_hello(&raw, &g));
        if (!inherits)
            raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
        wpipe__os_test_short_sends(FOR_LONG);
        r = inherits ? wpipe__native_inherit(raw.link)
                     : wpipe__native_admit(raw.link);
        wpipe__os_test_short_sends(0);
        assert_int_equal(r, WPIPE_ENOMEM);
        raw_close(&raw);
    }
}

static const struct support_case cases[] = {
    TEST(hello_of_an_earlier_version_is_refused),
    TEST(hello_for_another_purpose_is_eproto),
    TEST(verdict_that_accepts_what_was_not_asked_is_eproto),
    TEST(answer_to_a_query_that_is_none_is_eproto),
    TEST(client_that_only_reads_is_never_waited_for),
    TEST(client_that_only_writes_has_no_ring_to_read),
    TEST(memory_required_of_one_who_shares_is_offered),
    TEST(memory_required_of_one_who_stays_ends),
    TEST(memory_of_root_is_trusted),
    TEST(socket_that_takes_too_little_is_elimit),
    TEST(verdict_without_memory_is_enomem),
};

TEST_MAIN(cases)
