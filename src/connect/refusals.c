/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals, counted by kind.
 */
#include "connect/refusals.h"

#include "base/base.h"

/* Between two events of one kind. */
#define APART_NS UINT64_C(250000000)

static int is_same(const struct wpipe__refusal *a,
                   const struct wpipe__refusal *b)
{
    return a->reason == b->reason && a->error == b->error &&
           a->os_error == b->os_error;
}

/* Where that kind is counted; used: there is no place for it. */
static unsigned place_of(struct wpipe__refusals *r,
                         const struct wpipe__refusal *why, uint64_t now)
{
    unsigned i;

    for (i = 0; i < r->used; i++)
        if (is_same(&r->kinds[i].why, why))
            return i;
    if (r->used < WPIPE__REFUSAL_KINDS)
        r->used++;
    else
        for (i = 0; i < r->used; i++)
            if (r->kinds[i].count == 0 && r->kinds[i].due <= now)
                break;
    if (i < r->used) {
        r->kinds[i].why = *why;
        r->kinds[i].count = 0;
        r->kinds[i].due = 0;
    }
    return i;
}

int wpipe__refusals_add(struct wpipe__refusals *r,
                        const struct wpipe__refusal *why, uint64_t now)
{
    unsigned i = place_of(r, why, now);

    if (i == r->used)
        return 0;
    r->kinds[i].count++;
    r->waiting++;
    return r->kinds[i].due <= now;
}

int wpipe__refusals_next(struct wpipe__refusals *r, uint64_t now,
                         struct wpipe__refusal *ret_why, uint64_t *ret_count)
{
    unsigned i;

    for (i = 0; r->waiting > 0 && i < r->used; i++) {
        if (r->kinds[i].count == 0 || r->kinds[i].due > now)
            continue;
        *ret_why = r->kinds[i].why;
        *ret_count = r->kinds[i].count;
        r->waiting -= r->kinds[i].count;
        r->kinds[i].count = 0;
        r->kinds[i].due = now == UINT64_MAX ? now : now + APART_NS;
        return 1;
    }
    return 0;
}

uint64_t wpipe__refusals_due(const struct wpipe__refusals *r)
{
    uint64_t due = UINT64_MAX;
    unsigned i;

    for (i = 0; r->waiting > 0 && i < r->used; i++)
        if (r->kinds[i].count > 0)
            due = wpipe__min_u64(due, r->kinds[i].due);
    return due;
}
