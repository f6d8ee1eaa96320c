/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of guests that are not simply let in: strangers, those whom
 * the callback refuses, queries, those who leave or lie between their hello
 * and their verdict, and what happens when memory or the system fails.
 */
#include "connect/pending.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <windpipe.h>

#include "acceptor_tools.h"
#include "base/frame.h"
#include "support/forbid.h"

enum {
    OTHER = 65534
};

/* A client by hand, connected and silent so far. */
static wpipe__handle knock(const char *name)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, NULL, &socket), 0);
    return socket;
}

static void say(wpipe__handle socket, const void *bytes, size_t size)
{
    assert_int_equal(send(socket, bytes, size, MSG_NOSIGNAL), size);
}

/* Its hello; the caller may have changed the greeting. */
static void say_hello(wpipe__handle socket, const struct wpipe__greeting *g)
{
    const struct wpipe__frame f = { .type = WPIPE__FRAME_HELLO,
                                    .size = WPIPE__GREETING_SIZE,
                                    .value = WPIPE__HELLO_MAGIC };
    uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];

    wpipe__frame_encode(&f, bytes);
    wpipe__greeting_encode(g, bytes + WPIPE__FRAME_HEADER);
    say(socket, bytes, sizeof(bytes));
}

static struct wpipe__greeting greeting(void)
{
    const struct wpipe__greeting g = { .version_low = WPIPE__WIRE_VERSION,
                                       .version_high = WPIPE__WIRE_VERSION,
                                       .flags = WPIPE__GREET_SHARED,
                                       .buffer_in = 65536,
                                       .buffer_out = 65536,
                                       .max_message = 65536 };

    return g;
}

/* The code of the verdict that came. */
static uint32_t verdict(wpipe__handle socket)
{
    uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];
    struct wpipe__greeting g;

    assert_int_equal(recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT),
                     sizeof(bytes));
    assert_int_equal(bytes[0], WPIPE__FRAME_VERDICT);
    assert_int_equal(wpipe__greeting_decode(bytes + WPIPE__FRAME_HEADER, &g),
                     0);
    return g.code;
}

/* The only guest, who has not said hello. */
static struct wpipe__pending *silent_guest(struct host *host)
{
    struct wpipe__list *node = wpipe__list_first(&host->acceptor.silent);

    assert_non_null(node);
    return wpipe__container_of(node, struct wpipe__pending, node);
}

static void expect_refused(const struct host *host, int reason, int error)
{
    assert_int_equal(host->admitted, 0);
    assert_int_equal(host->refused, 1);
    assert_int_equal(host->why.reason, reason);
    assert_int_equal(host->why.error, error);
    assert_int_equal(wpipe__acceptor_waiting(&host->acceptor), 0);
}

/* ---- who may come in ----------------------------------------------------- */

static void guest_of_another_user_is_denied_where_one_user_is_served(
    void **state)
{
    struct wpipe__greeting g = greeting();

    (void)state;
    for (int served = 0; served < 2; served++) {
        struct host host;
        wpipe__handle socket = knock(host_open(&host, NULL));

        assert_int_equal(host.acceptor.options.access, WPIPE_ACCESS_USER);
        if (served)
            host.acceptor.options.access = WPIPE_ACCESS_ANYONE;
        wpipe__acceptor_turn(&host.acceptor, 1);
        silent_guest(&host)->link->peer.uid = wpipe__os_uid() + 1;
        say_hello(socket, &g);
        wpipe__acceptor_turn(&host.acceptor, 1);
        if (served) {
            assert_int_equal(host.admitted, 1);
            assert_int_equal(verdict(socket), WPIPE__VERDICT_ACCEPTED);
        } else {
            expect_refused(&host, WPIPE_REASON_DENIED, WPIPE_EACCES);
            assert_int_equal(verdict(socket), WPIPE__VERDICT_DENIED);
        }
        wpipe__os_close(socket);
        host_close(&host);
    }
}

static int admit(const wpipe_peer *peer, void *user)
{
    assert_int_equal(peer->pid, getpid());
    assert_int_equal(peer->uid, wpipe__os_uid());
    return *(const int *)user;
}

/* What the callback says decides, and is told as what it is. */
static void guest_is_refused_as_the_callback_says(void **state)
{
    static const struct {
        int says;
        int reason;
        int error;
    } rows[] = {
        { WPIPE_EBUSY, WPIPE_REASON_FULL, WPIPE_EBUSY },
        { WPIPE_EACCES, WPIPE_REASON_DENIED, WPIPE_EACCES },
        { WPIPE_ENOMEM, WPIPE_REASON_DENIED, WPIPE_EREFUSED },
        { -12345, WPIPE_REASON_DENIED, WPIPE_EREFUSED },
    };

    (void)state;
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        int says = rows[i].says;
        wpipe_options options = { .admit = admit, .admit_user = &says };
        struct host host;
        struct wpipe__link *guest = dial(host_open(&host, &options), 1);

        wpipe__acceptor_turn(&host.acceptor, 1);
        expect_refused(&host, rows[i].reason, rows[i].error);
        assert_int_equal(wpipe__native_greeted(guest), rows[i].error);
        hang_up(guest);
        host_close(&host);
    }
}

/* ---- queries ------------------------------------------------------------- */

static struct wpipe__link *ask(wpipe__handle socket)
{
    struct wpipe__link *link = NULL;
    wpipe_options o;

    assert_int_equal(wpipe__options_take(NULL, &o), 0);
    assert_int_equal(wpipe__native_dial(socket, &o, 0, 1, &link), 0);
    return link;
}

static void expect_facts(struct wpipe__link *link)
{
    const uint8_t *facts = NULL;
    size_t size = 0;

    assert_int_equal(wpipe__native_facts(link, &facts, &size), 1);
    assert_int_equal(size, 5);
    assert_memory_equal(facts, "facts", 5);
}

static void query_is_answered_and_takes_no_seat(void **state)
{
    struct host host;
    struct wpipe__link *link = ask(knock(host_open(&host, NULL)));

    (void)state;
    wpipe__acceptor_turn(&host.acceptor, 1);
    expect_facts(link);
    assert_int_equal(host.admitted + host.refused, 0);
    assert_int_equal(wpipe__slots_taken(host.acceptor.slots), 0);
    hang_up(link);
    host_close(&host);
}

static void query_is_refused_when_there_is_no_answer(void **state)
{
    struct host host;
    struct wpipe__link *link = ask(knock(host_open(&host, NULL)));
    const uint8_t *facts;
    size_t size;

    (void)state;
    host.facts = WPIPE_ENOMEM;
    wpipe__acceptor_turn(&host.acceptor, 1);
    assert_int_equal(wpipe__native_facts(link, &facts, &size), WPIPE_EREFUSED);
    hang_up(link);
    host_close(&host);
}

/* Root may ask any server; others only their own. */
static void query_of_a_stranger_is_denied_but_not_that_of_root(void **state)
{
    const int is_root = geteuid() == 0;
    struct host host;
    const char *name = host_open(&host, NULL);

    (void)state;
    for (int root = 0; root < 2; root++) {
        wpipe__handle socket = knock(name);
        struct wpipe__link *link;
        const uint8_t *facts;
        size_t size;

        wpipe__acceptor_turn(&host.acceptor, 1);
        silent_guest(&host)->link->peer.uid = root ? 0 : geteuid() + 1;
        link = ask(socket);
        if (root && is_root) /* a server that is somebody else's */
            assert_int_equal(seteuid(OTHER), 0);
        wpipe__acceptor_turn(&host.acceptor, 1);
        if (root && is_root)
            assert_int_equal(seteuid(0), 0);
        if (root)
            expect_facts(link);
        else
            assert_int_equal(wpipe__native_facts(link, &facts, &size),
                             WPIPE_EACCES);
        hang_up(link);
    }
    host_close(&host);
}

/* ---- between hello and verdict ------------------------------------------- */

/* In the lobby: its hello was heard, and nobody has a seat for it yet. */
static wpipe__handle wait_in_lobby(struct host *host, wpipe_options *options,
                                   const struct wpipe__greeting *g)
{
    wpipe__handle socket = knock(host_open(host, options));

    say_hello(socket, g);
    wpipe__acceptor_turn(&host->acceptor, 0);
    assert_int_equal(host->acceptor.greeted_count, 1);
    return socket;
}

static void guest_that_fits_not_is_refused(void **state)
{
    enum {
        VERSION,
        DIRECTION,
        MEMORY,
        KINDS
    };

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        wpipe_options options = { .direction = WPIPE_DUPLEX };
        struct wpipe__greeting g = greeting();
        wpipe__handle socket;
        struct host host;

        if (kind == VERSION)
            g.version_low = g.version_high = WPIPE__WIRE_VERSION + 1;
        if (kind == DIRECTION)
            g.direction = (uint16_t)(options.direction = WPIPE_IN);
        if (kind == MEMORY) {
            options.shared_memory = WPIPE_SHARED_REQUIRED;
            g.flags = 0;
        }
        socket = wait_in_lobby(&host, &options, &g);
        wpipe__acceptor_admit(&host.acceptor, 1);
        if (kind == VERSION)
            expect_refused(&host, WPIPE_REASON_PROTOCOL, WPIPE_EVERSION);
        else if (kind == DIRECTION)
            expect_refused(&host, WPIPE_REASON_PROTOCOL, WPIPE_ESTATE);
        else
            expect_refused(&host, WPIPE_REASON_DENIED, WPIPE_EREFUSED);
        assert_int_equal(wpipe__slots_taken(host.acceptor.slots), 0);
        wpipe__os_close(socket);
        host_close(&host);
    }
}

/* It takes no verdict any more: it is gone, with a word that is none or not. */
static void guest_that_leaves_before_its_verdict_goes(void **state)
{
    struct wpipe__greeting g = greeting();

    (void)state;
    for (int lies = 0; lies < 2; lies++) {
        struct host host;
        wpipe__handle socket = wait_in_lobby(&host, NULL, &g);

        if (lies)
            say(socket, "this is no frame, whatever it is", 32);
        assert_int_equal(shutdown(socket, SHUT_RDWR), 0);
        wpipe__acceptor_admit(&host.acceptor, 1);
        if (lies) {
            expect_refused(&host, WPIPE_REASON_PROTOCOL, WPIPE_EPROTO);
        } else {
            assert_int_equal(host.admitted + host.refused, 0);
            assert_int_equal(wpipe__acceptor_waiting(&host.acceptor), 0);
        }
        assert_int_equal(wpipe__slots_taken(host.acceptor.slots), 0);
        wpipe__os_close(socket);
        host_close(&host);
    }
}

/* Two wait for a seat, two are free, and there is room for one a turn. */
static void guests_in_the_queue_are_let_in_as_far_as_the_budget_goes(
    void **state)
{
    wpipe_options options = { .max_clients = 2 };
    struct host host;
    const char *name = host_open(&host, &options);
    struct wpipe__link *guests[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        guests[i] = dial(name, 1);
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 2);
    assert_int_equal(host.acceptor.queued, 2);
    host_drop(&host, 0);
    host_drop(&host, 1);
    wpipe__acceptor_turn(&host.acceptor, 1);
    assert_int_equal(host.admitted, 3);
    assert_int_equal(wpipe__native_greeted(guests[2]), WPIPE__GREET_DONE);
    assert_int_equal(wpipe__native_greeted(guests[3]), WPIPE__GREET_QUEUED);
    wpipe__acceptor_turn(&host.acceptor, 1);
    assert_int_equal(host.admitted, 4);
    for (int i = 0; i < 4; i++)
        hang_up(guests[i]);
    host_close(&host);
}

/* ---- memory and the system ----------------------------------------------- */

/* Half a frame has to be kept, and cannot be. */
static void guest_whose_hello_finds_no_memory_is_refused(void **state)
{
    struct host host;
    wpipe__handle socket = knock(host_open(&host, NULL));

    (void)state;
    wpipe__acceptor_turn(&host.acceptor, 1);
    say(socket, "\1\0\0", 3);
    wpipe__memory_fail_at(1);
    wpipe__acceptor_turn(&host.acceptor, 1);
    wpipe__memory_fail_at(0);
    expect_refused(&host, WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
    wpipe__os_close(socket);
    host_close(&host);
}

/* To count the seats of each user takes memory. */
static void guest_whose_seat_finds_no_memory_is_refused(void **state)
{
    wpipe_options options = { .max_per_user = 1 };
    struct wpipe__greeting g = greeting();
    struct host host;
    wpipe__handle socket = wait_in_lobby(&host, &options, &g);

    (void)state;
    wpipe__memory_fail_at(-1);
    wpipe__acceptor_admit(&host.acceptor, 1);
    wpipe__memory_fail_at(0);
    expect_refused(&host, WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
    assert_int_equal(verdict(socket), WPIPE__VERDICT_REFUSED);
    wpipe__os_close(socket);
    host_close(&host);
}

static int come_unwatched(int fd, void *argument)
{
    struct host host;
    wpipe__handle socket = knock(host_open(&host, NULL));

    (void)fd;
    (void)argument;
    support_forbid(SYS_epoll_ctl, 1, 1 /* EPOLL_CTL_ADD */, ENOSPC);
    wpipe__acceptor_turn(&host.acceptor, 1);
    assert_int_equal(host.refused, 1);
    assert_int_equal(host.why.reason, WPIPE_REASON_MEMORY);
    assert_int_equal(host.acceptor.pending_polled, 0);
    wpipe__os_close(socket);
    host_close(&host);
    return 0;
}

/* More are watched than the system allows. */
static void guest_that_cannot_be_watched_is_refused(void **state)
{
    struct helper helper;

    (void)state;
    helper_fork(&helper, come_unwatched, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(guest_of_another_user_is_denied_where_one_user_is_served),
    TEST(guest_is_refused_as_the_callback_says),
    TEST(query_is_answered_and_takes_no_seat),
    TEST(query_is_refused_when_there_is_no_answer),
    TEST(query_of_a_stranger_is_denied_but_not_that_of_root),
    TEST(guest_that_fits_not_is_refused),
    TEST(guest_that_leaves_before_its_verdict_goes),
    TEST(guests_in_the_queue_are_let_in_as_far_as_the_budget_goes),
    TEST(guest_whose_hello_finds_no_memory_is_refused),
    TEST(guest_whose_seat_finds_no_memory_is_refused),
    TEST(guest_that_cannot_be_watched_is_refused),
};

TEST_MAIN(cases)
