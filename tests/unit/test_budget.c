/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that connections share (src/loop/budget.c): by user first, then by
 * connection; and who has to go when there is none.
 */
#include "loop/budget.h"

#include <windpipe/error.h>

#include "loop/conn.h"
#include "support/support.h"

enum {
    LIMIT = 8000,
    MANY = 10
};

struct world {
    struct wpipe__budget budget;
    struct wpipe__conn many[MANY]; /* of user 1 */
    struct wpipe__conn one;        /* of user 2 */
};

static struct wpipe__share share_of(struct world *w, struct wpipe__conn *conn)
{
    struct wpipe__share share = { &w->budget, &conn->held, conn->account };

    return share;
}

static void join(struct world *w, struct wpipe__conn *conn, uint32_t uid)
{
    conn->uid = uid;
    assert_int_equal(wpipe__budget_join(&w->budget, uid, &conn->account), 0);
}

/* As much as it gets, in bytes of 10. */
static uint64_t hoard(struct world *w, struct wpipe__conn *conn)
{
    struct wpipe__share share = share_of(w, conn);

    while (wpipe__share_take(&share, 10) == 0)
        ;
    return conn->held;
}

static void leave(struct world *w, struct wpipe__conn *conn)
{
    struct wpipe__share share = share_of(w, conn);

    wpipe__share_give(&share, conn->held);
    wpipe__budget_leave(&w->budget, conn->account);
}

static void make(struct world *w)
{
    *w = (struct world){ .budget.limit = LIMIT };
    for (int i = 0; i < MANY; i++)
        join(w, &w->many[i], 1);
    join(w, &w->one, 2);
}

static void done(struct world *w)
{
    for (int i = 0; i < MANY; i++)
        leave(w, &w->many[i]);
    leave(w, &w->one);
    assert_int_equal(w->budget.used, 0);
    assert_int_equal(w->budget.users, 0);
    assert_int_equal(w->budget.connections, 0);
    wpipe__budget_done(&w->budget);
}

/* However many connections he has: the other one finds half of what is
 * shared. */
static void user_with_many_leaves_a_share(void **state)
{
    struct world w;
    uint64_t held = 0;

    (void)state;
    make(&w);
    for (int i = 0; i < MANY; i++)
        held += hoard(&w, &w.many[i]);
    assert_in_range(held, LIMIT / 2, LIMIT * 3 / 4);
    assert_int_equal(w.many[0].account->held, held);
    assert_int_equal(hoard(&w, &w.one), LIMIT / 4);
    done(&w);
}

/* And among his own connections each has its part, as before. */
static void connections_of_a_user_share(void **state)
{
    struct world w;

    (void)state;
    make(&w);
    assert_true(hoard(&w, &w.many[0]) >= LIMIT / 2);
    for (int i = 1; i < MANY; i++)
        assert_int_equal(hoard(&w, &w.many[i]), LIMIT / 4 / MANY);
    done(&w);
}

/* He came first, and alone: the next user finds memory all the same, and the
 * one after him. */
static void who_comes_later_finds_a_share(void **state)
{
    struct world w = { .budget = { .limit = LIMIT, .open = 1 } };
    uint64_t held = 0;

    (void)state;
    join(&w, &w.many[0], 1);
    held += hoard(&w, &w.many[0]);
    assert_int_equal(held, LIMIT / 2);
    join(&w, &w.many[1], 1);
    join(&w, &w.many[2], 1);
    held += hoard(&w, &w.many[1]) + hoard(&w, &w.many[2]);
    assert_in_range(held, LIMIT / 2, LIMIT * 3 / 4);
    join(&w, &w.one, 2);
    held = hoard(&w, &w.one);
    assert_in_range(held, LIMIT / 6 - 10, LIMIT / 6);
    join(&w, &w.many[3], 3);
    assert_in_range(hoard(&w, &w.many[3]), LIMIT / 12 - 10, LIMIT / 8);
    for (int i = 0; i < 4; i++)
        leave(&w, &w.many[i]);
    leave(&w, &w.one);
    assert_int_equal(w.budget.used, 0);
    wpipe__budget_done(&w.budget);
}

static void account_of_who_left_is_used_again(void **state)
{
    struct world w = { .budget.limit = LIMIT };
    struct wpipe__account *account;

    (void)state;
    join(&w, &w.one, 5);
    account = w.one.account;
    assert_int_equal(w.budget.users, 1);
    leave(&w, &w.one);
    for (uint32_t uid = 6; uid < 100; uid++) {
        join(&w, &w.one, uid);
        assert_ptr_equal(w.one.account, account);
        leave(&w, &w.one);
    }
    assert_int_equal(w.budget.users, 0);
    wpipe__budget_done(&w.budget);
}

/* Who holds most in all goes first, with the greatest of his. */
static void greatest_is_of_the_greatest_user(void **state)
{
    struct world w;
    struct wpipe__share share;

    (void)state;
    make(&w);
    for (int i = 0; i < 3; i++) {
        share = share_of(&w, &w.many[i]);
        assert_int_equal(wpipe__share_take(&share, 100 + (uint64_t)i), 0);
    }
    share = share_of(&w, &w.one);
    assert_int_equal(wpipe__share_take(&share, 200), 0);
    assert_true(wpipe__conn_is_greater(&w.many[0], &w.one));
    assert_false(wpipe__conn_is_greater(&w.one, &w.many[0]));
    assert_true(wpipe__conn_is_greater(&w.many[2], &w.many[0]));
    assert_false(wpipe__conn_is_greater(&w.many[0], &w.many[2]));
    assert_int_equal(wpipe__share_take(&share, 200), 0);
    assert_true(wpipe__conn_is_greater(&w.one, &w.many[2]));
    done(&w);
}

static const struct support_case cases[] = {
    TEST(user_with_many_leaves_a_share),
    TEST(connections_of_a_user_share),
    TEST(who_comes_later_finds_a_share),
    TEST(account_of_who_left_is_used_again),
    TEST(greatest_is_of_the_greatest_user),
};

TEST_MAIN(cases)
