/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit holds at every moment; the shares are as exact as the number of
 * connections, which may change meanwhile.
 */
#include "core/budget.h"

#include <windpipe/error.h>

#include "base/base.h"

/* May one who holds `held` take `n` more when `used` are? */
static int is_fair(struct wpipe__budget *budget, uint64_t used, uint64_t held,
                   uint64_t n)
{
    uint32_t count =
        atomic_load_explicit(&budget->connections, memory_order_relaxed);
    uint64_t half = budget->limit / 2;
    uint64_t share = count > 1 ? half / count : budget->limit;

    if (used > budget->limit || n > budget->limit - used)
        return 0;
    return used + n <= half || (held <= share && n <= share - held);
}

static int take(struct wpipe__budget *budget, uint64_t held, uint64_t n)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

    do
        if (!is_fair(budget, used, held, n))
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

void wpipe__budget_join(struct wpipe__budget *budget)
{
    atomic_fetch_add(&budget->connections, 1);
}

void wpipe__budget_leave(struct wpipe__budget *budget)
{
    atomic_fetch_sub(&budget->connections, 1);
    tell_freed(budget); /* each share is larger now */
}

int wpipe__share_allows(const struct wpipe__share *share, uint64_t n)
{
    return is_fair(share->budget, atomic_load(&share->budget->used),
                   *share->held, n);
}

int wpipe__share_take(const struct wpipe__share *share, uint64_t n)
{
    int r = take(share->budget, *share->held, n);

    if (r == 0)
        *share->held += n;
    return r;
}

void wpipe__share_give(const struct wpipe__share *share, uint64_t n)
{
    *share->held -= wpipe__min_u64(n, *share->held);
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
