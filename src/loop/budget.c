/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit holds at every moment; the shares are as exact as the number of
 * connections, which may change meanwhile.
 */
#include "loop/budget.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/memory.h"

/* Pairs with tell_freed after a count went down: who waits for memory has grown
 * `wanting` before this. */
static uint32_t count_of(const _Atomic uint32_t *count)
{
    return atomic_load(count);
}

static uint64_t used_of(const struct wpipe__budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

/* How many share it: at least one, and the next one who comes. */
static uint32_t sharers(const struct wpipe__budget *budget)
{
    return (uint32_t)wpipe__max_u64(count_of(&budget->users), 1) +
           (budget->open != 0);
}

/* What this connection may hold of the second half; of all, when it is alone
 * and nobody else will come. */
static uint64_t size_of(const struct wpipe__share *share)
{
    struct wpipe__budget *budget = share->budget;
    uint32_t own =
        share->account == NULL ? 1 : count_of(&share->account->connections);

    if (!budget->open && count_of(&budget->connections) < 2)
        return budget->limit;
    /* the counts may be of two moments */
    return budget->limit / 2 / sharers(budget) / (own > 0 ? own : 1);
}

void wpipe__budget_received(struct wpipe__budget *budget,
                            struct wpipe__account *account, int64_t n)
{
    atomic_fetch_add_explicit(&account->received, (uint64_t)n,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&budget->received, (uint64_t)n,
                              memory_order_relaxed);
}

int wpipe__budget_is_flooded(const struct wpipe__budget *budget)
{
    return atomic_load_explicit(&budget->received, memory_order_relaxed) >
           budget->limit;
}

int wpipe__budget_is_behind(const struct wpipe__budget *budget,
                            const struct wpipe__account *account)
{
    return atomic_load_explicit(&account->received, memory_order_relaxed) >=
           atomic_load_explicit(&budget->receive_share, memory_order_relaxed);
}

/* The number of users has changed, maybe. */
static void set_receive_share(struct wpipe__budget *budget)
{
    atomic_store_explicit(&budget->receive_share,
                          budget->limit / 4 / sharers(budget),
                          memory_order_relaxed);
}

int wpipe__budget_lacks(const struct wpipe__budget *budget, uint64_t n)
{
    uint64_t used = used_of(budget);

    return used > budget->limit || n > budget->limit - used;
}

int wpipe__budget_is_greedy(const struct wpipe__budget *budget,
                            const struct wpipe__account *account, uint64_t n)
{
    uint64_t share = budget->limit / 2 / sharers(budget);
    uint64_t held = atomic_load_explicit(&account->held, memory_order_relaxed);

    return held > share || n > share - held;
}

/* May it take `n` more when `used` are taken? */
static int is_fair(const struct wpipe__share *share, uint64_t used, uint64_t n)
{
    uint64_t limit = share->budget->limit;
    uint64_t held = *share->held;
    uint64_t size;

    if (used > limit || n > limit - used)
        return 0;
    if (used + n <= limit / 2)
        return 1;
    size = size_of(share);
    return held <= size && n <= size - held;
}

static int take(const struct wpipe__share *share, uint64_t n)
{
    struct wpipe__budget *budget = share->budget;
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

    do
        if (!is_fair(share, used, n))
            return WPIPE_EAGAIN;
    while (!atomic_compare_exchange_weak(&budget->used, &used, used + n));
    return 0;
}

/* Pairs with the look after `wanting` grew: one of the two sees it. */
static void tell_freed(struct wpipe__budget *budget)
{
    if (atomic_load(&budget->wanting) > 0 && budget->freed != NULL)
        budget->freed(budget);
}

/* The user's account, else one that nobody has, else NULL. Only who joins takes
 * one that nobody has. */
static struct wpipe__account *find(struct wpipe__budget *budget, uint32_t uid)
{
    struct wpipe__account *account = budget->accounts;
    struct wpipe__account *unused = NULL;

    for (; account != NULL; account = account->next) {
        if (account->uid == uid)
            return account;
        if (count_of(&account->connections) == 0)
            unused = account;
    }
    if (unused != NULL)
        unused->uid = uid;
    return unused;
}

void wpipe__user_turn_init(struct wpipe__user_turn *turn)
{
    wpipe__list_init(&turn->node);
    wpipe__list_init(&turn->active);
    turn->count = 0;
    turn->burst = 0;
}

static struct wpipe__account *make_account(struct wpipe__budget *budget,
                                           uint32_t uid)
{
    uint64_t loops = wpipe__max_u64(budget->loops, 1);
    struct wpipe__account *account =
        wpipe__alloc(sizeof(*account) + loops * sizeof(account->turns[0]));

    if (account == NULL)
        return NULL;
    while (loops-- > 0)
        wpipe__user_turn_init(&account->turns[loops]);
    account->uid = uid;
    account->next = budget->accounts;
    budget->accounts = account;
    return account;
}

int wpipe__budget_join(struct wpipe__budget *budget, uint32_t uid,
                       struct wpipe__account **ret)
{
    struct wpipe__account *account = find(budget, uid);

    if (account == NULL)
        account = make_account(budget, uid);
    if (account == NULL)
        return WPIPE_ENOMEM;
    if (atomic_fetch_add(&account->connections, 1) == 0)
        atomic_fetch_add(&budget->users, 1);
    atomic_fetch_add(&budget->connections, 1);
    set_receive_share(budget);
    *ret = account;
    return 0;
}

void wpipe__budget_done(struct wpipe__budget *budget)
{
    struct wpipe__account *account;

    while ((account = budget->accounts) != NULL) {
        budget->accounts = account->next;
        wpipe__free(account);
    }
}

void wpipe__budget_leave(struct wpipe__budget *budget,
                         struct wpipe__account *account)
{
    if (atomic_fetch_sub(&account->connections, 1) == 1)
        atomic_fetch_sub(&budget->users, 1);
    atomic_fetch_sub(&budget->connections, 1);
    set_receive_share(budget);
    tell_freed(budget); /* each share is larger now */
}

int wpipe__share_allows(const struct wpipe__share *share, uint64_t n)
{
    return is_fair(share, atomic_load(&share->budget->used), n);
}

static void hold(const struct wpipe__share *share, uint64_t n)
{
    *share->held += n;
    if (share->account != NULL)
        atomic_fetch_add_explicit(&share->account->held, n,
                                  memory_order_relaxed);
}

int wpipe__share_take(const struct wpipe__share *share, uint64_t n)
{
    int r = take(share, n);

    if (r == 0)
        hold(share, n);
    return r;
}

void wpipe__share_charge(const struct wpipe__share *share, uint64_t n)
{
    atomic_fetch_add(&share->budget->used, n);
    hold(share, n);
}

void wpipe__share_give(const struct wpipe__share *share, uint64_t n)
{
    n = wpipe__min_u64(n, *share->held);
    *share->held -= n;
    if (share->account != NULL)
        atomic_fetch_sub_explicit(&share->account->held, n,
                                  memory_order_relaxed);
    wpipe__budget_give(share->budget, n);
}

int wpipe__budget_take(struct wpipe__budget *budget, uint64_t n)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

    do
        if (used > budget->limit || n > budget->limit - used)
            return WPIPE_EAGAIN;
    while (!atomic_compare_exchange_weak(&budget->used, &used, used + n));
    return 0;
}

void wpipe__budget_give(struct wpipe__budget *budget, uint64_t n)
{
    uint64_t used;

    if (n == 0)
        return;
    used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&budget->used, &used,
                                         used - wpipe__min_u64(n, used)))
        ;
    tell_freed(budget);
}
