/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a connection only grow, and begin at 0 with it: so the
 * difference to the same connection before is what came since, and all of it
 * where there was none.
 */
#include "traffic.h"

/* The same connection in the survey before, or NULL. They come in the same
 * order, so the search begins where the last one ended. */
static const wpipe_link_facts *find(const struct survey_pipe *before,
                                    wpipe_id id, int *at)
{
    const int count = before == NULL ? 0 : before->answer;

    for (int i = 0; i < count; i++) {
        const wpipe_link_facts *link = &before->links[(*at + i) % count];

        if (link->id != id)
            continue;
        *at = (*at + i + 1) % count;
        return link;
    }
    return NULL;
}

void traffic_measure(struct traffic *ret, const struct survey_pipe *now,
                     const struct survey_pipe *before, double seconds)
{
    static const wpipe_link_facts none;
    uint64_t messages = 0, bytes = 0;
    int at = 0;

    *ret = (struct traffic){ .pipe = now };
    for (int i = 0; i < now->answer; i++) {
        const wpipe_link_facts *link = &now->links[i];
        const wpipe_link_facts *last = find(before, link->id, &at);

        last = last != NULL ? last : &none;
        messages += link->messages_in - last->messages_in + link->messages_out -
                    last->messages_out;
        bytes +=
            link->bytes_in - last->bytes_in + link->bytes_out - last->bytes_out;
        ret->queued += link->queued;
        ret->shared += link->shared != 0;
        ret->plain += link->shared == 0;
    }
    if (seconds > 0) {
        ret->messages = (double)messages / seconds;
        ret->bytes = (double)bytes / seconds;
    }
}

const char *traffic_transport(const struct traffic *t)
{
    return t->shared != 0 && t->plain != 0 ? "mixed"
           : t->shared != 0                ? "shared"
           : t->plain != 0                 ? "socket"
                                           : "-";
}
