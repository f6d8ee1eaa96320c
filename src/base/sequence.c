/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of docs/wire.md section 5 that take more than one record to judge.
 */
#include "base/sequence.h"

#include <windpipe/error.h>

#define KINDS (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)

static int is_misplaced(const struct wpipe__sequence *s,
                        const struct wpipe__record *r)
{
    if (s->begun && (r->flags & (KINDS | WPIPE__RECORD_TOTAL)))
        return 1; /* these stand on the first one only */
    if ((r->flags & KINDS) && r->request == 0)
        return 1;
    return s->no_replies && (r->flags & WPIPE__RECORD_REPLY);
}

int wpipe__sequence_judge(const struct wpipe__sequence *s,
                          const struct wpipe__record *r, uint64_t limit)
{
    int told = (r->flags & WPIPE__RECORD_TOTAL) || (s->begun && s->total != 0);
    uint64_t total = (r->flags & WPIPE__RECORD_TOTAL) ? r->total : s->total;
    uint64_t size = (s->begun ? s->size : 0) + r->size;

    if (s->inside)
        return 0;
    if (is_misplaced(s, r))
        return WPIPE_EPROTO;
    if (size > limit || (told && total > limit))
        return WPIPE_EMSGSIZE;
    if (told && size > total)
        return WPIPE_EPROTO;
    if (told && !(r->flags & WPIPE__RECORD_MORE) && size != total)
        return WPIPE_EPROTO;
    return 0;
}

int wpipe__sequence_judge_bytes(const struct wpipe__record *r)
{
    return r->flags != 0 ? WPIPE_EPROTO : 0;
}

int wpipe__sequence_take(struct wpipe__sequence *s,
                         const struct wpipe__record *r, uint32_t bytes)
{
    int whole = bytes == r->size;
    int ended = whole && !(r->flags & WPIPE__RECORD_MORE);

    if (!s->begun) {
        s->size = 0;
        s->total = (r->flags & WPIPE__RECORD_TOTAL) ? r->total : 0;
    }
    s->size += bytes;
    s->inside = !whole;
    s->begun = !ended;
    return ended;
}

void wpipe__sequence_clear(struct wpipe__sequence *s)
{
    s->size = 0;
    s->total = 0;
    s->begun = 0;
    s->inside = 0;
}
