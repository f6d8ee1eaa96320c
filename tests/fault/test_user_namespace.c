/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces. There a user without a number shows as the one number that
 * all of them have, and so may we: that is nobody's, and no proof of anything.
 */
#include "support.h"

#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    NOBODY = 65534,
    READY = 1,
    NO_NAMESPACE = 99 /* exit status of a helper that can have none */
};

/* One of the two is in a namespace of its own, the other one is not. */
struct row {
    const char *name;
    uint32_t flags; /* of who is in there */
    int foreign;
    int expected;
    bool serves; /* the one in there */
    bool mapped; /* has a number there: NOBODY's */
};

static void enter_namespace(const struct row *row)
{
    char map[64];

    (void)snprintf(map, sizeof map, "%d %u 1\n", NOBODY, (unsigned)geteuid());
    if (unshare(CLONE_NEWUSER) < 0)
        _exit(NO_NAMESPACE);
    if (row->mapped) {
        assert_true(support_write_text("/proc/self/setgroups", "deny"));
        assert_true(support_write_text("/proc/self/uid_map", map));
    }
    assert_int_equal(geteuid(), NOBODY);
}

static wpipe_options options_of(const struct row *row, bool inside)
{
    wpipe_options o = { .size = sizeof o,
                        .type = WPIPE_MESSAGE,
                        .foreign = row->foreign };

    if (row->foreign)
        o.framing = WPIPE_FRAMING_LE32;
    if (inside)
        o.flags = row->flags;
    o.server_uid = row->flags & WPIPE_CHECK_UID ? NOBODY : 0;
    return o;
}

static void serve(const struct row *row, bool inside, wpipe_server **ret)
{
    const wpipe_handlers handlers = { .size = sizeof handlers };
    wpipe_options o = options_of(row, inside);

    o.flags &= ~(uint32_t)WPIPE_CHECK_UID;
    assert_int_equal(wpipe_server_open(ret, row->name, &o), 0);
    assert_int_equal(wpipe_server_start(*ret, &handlers, NULL), 0);
}

static void connect_to(const struct row *row, bool inside)
{
    wpipe_options o = options_of(row, inside);
    wpipe_stream *stream = NULL;
    char why[512] = "";
    int r;

    o.error_text = why;
    o.error_text_size = sizeof why;
    r = wpipe_connect(&stream, row->name, &o, SUPPORT_WAIT_MS);
    if (r != row->expected)
        fail_msg("%d, not %d: %s", r, row->expected, why);
    if (inside && r == WPIPE_EACCES && strstr(why, "user namespace") == NULL)
        fail_msg("%s", why);
    wpipe_stream_close(stream);
}

static int be_inside(int fd, void *argument)
{
    const struct row *row = argument;
    wpipe_server *server = NULL;

    enter_namespace(row);
    if (row->serves)
        serve(row, true, &server);
    event_send(fd, READY);
    event_wait(fd);
    if (!row->serves)
        connect_to(row, true);
    wpipe_server_close(server);
    return 0;
}

static void try(struct row row)
{
    struct helper helper = HELPER_NONE;
    wpipe_server *server = NULL;

    row.name = support_unique_name();
    helper_start(&helper, be_inside, &row);
    if (!support_wait_readable(helper.fd, SUPPORT_WAIT_MS) ||
        recv(helper.fd, &(uint32_t){ 0 }, 4, 0) <= 0) {
        assert_int_equal(helper_join(&helper), NO_NAMESPACE);
        support_skip("no user namespaces here");
    }
    if (row.serves)
        connect_to(&row, false);
    else
        serve(&row, false, &server);
    event_send(helper.fd, READY);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_server_close(server);
}

/* Any user could have been the server. */
static void server_without_a_number_is_refused(void **state)
{
    (void)state;
    try((struct row){ .expected = WPIPE_EACCES });
    try((struct row){ .expected = WPIPE_EACCES,
                      .foreign = WPIPE_FOREIGN_ONLY });
    try((struct row){ .expected = WPIPE_EACCES, .flags = WPIPE_CHECK_UID });
}

static void server_without_a_number_is_met_if_trusted(void **state)
{
    (void)state;
    try((struct row){ .flags = WPIPE_TRUST_PEER });
    try((struct row){ .flags = WPIPE_TRUST_PEER,
                      .foreign = WPIPE_FOREIGN_ONLY });
    try((struct row){ .flags = WPIPE_TRUST_PEER | WPIPE_CHECK_UID,
                      .expected = WPIPE_EACCES });
}

static void client_without_a_number_is_refused(void **state)
{
    (void)state;
    try((struct row){ .serves = true, .expected = WPIPE_EACCES });
    try((struct row){ .serves = true, .flags = WPIPE_TRUST_PEER });
}

static void user_with_a_number_is_himself(void **state)
{
    (void)state;
    try((struct row){ .mapped = true });
    try((struct row){ .mapped = true, .foreign = WPIPE_FOREIGN_ONLY });
    try((struct row){ .mapped = true, .flags = WPIPE_CHECK_UID });
    try((struct row){ .mapped = true, .serves = true });
}

/* ---- where everybody has one --------------------------------------------- */

static int be_nobody(int fd, void *argument)
{
    struct row row = { .name = argument };
    wpipe_server *server;

    (void)fd;
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    serve(&row, false, &server);
    connect_to(&row, false);
    wpipe_server_close(server);
    return 0;
}

static void nobody_is_himself_in_the_first_namespace(void **state)
{
    struct helper helper = HELPER_NONE;
    char path[4096];

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become nobody");
    (void)snprintf(path, sizeof path, "%s/..", support_dir());
    assert_int_equal(chmod(path, 0711), 0);
    assert_int_equal(chmod(support_dir(), 0711), 0);
    (void)snprintf(path, sizeof path, "%s/nobody", support_dir());
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    assert_int_equal(setenv("WINDPIPE_DIR", path, 1), 0);
    helper_start(&helper, be_nobody, (void *)(uintptr_t) "nobody");
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(server_without_a_number_is_refused),
    TEST(server_without_a_number_is_met_if_trusted),
    TEST(client_without_a_number_is_refused),
    TEST(user_with_a_number_is_himself),
    TEST(nobody_is_himself_in_the_first_namespace),
};

TEST_MAIN(cases)
