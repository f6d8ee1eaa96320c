/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letting one foreign client in, from the foreign door itself or from a second
 * pipe: there is no greeting, so all that is asked is who it is and whether
 * there is a slot.
 */
#include <windpipe.h>

#include "connect/acceptor.h"
#include "connect/pending.h"

static void refuse(struct wpipe__acceptor *a, struct wpipe__link *link,
                   int reason, int error)
{
    struct wpipe__refusal why = { .reason = reason, .error = error };

    if (link != NULL)
        link->transport->free(link);
    wpipe__pending_refused(a, &why);
}

void wpipe__acceptor_let_in(struct wpipe__acceptor *a, wpipe__handle socket)
{
    struct wpipe__link *link = NULL;
    int r = wpipe__foreign_make(socket, &a->options, &link);

    if (r == WPIPE_ENOMEM || r == WPIPE_ELIMIT) {
        refuse(a, NULL, WPIPE_REASON_MEMORY, r);
        return;
    }
    if (r < 0) {
        wpipe__pending_fail(a, r);
        return;
    }
    r = wpipe__pending_check(a, link);
    if (r < 0) {
        refuse(a, link, WPIPE_REASON_DENIED, r);
        return;
    }
    r = wpipe__slots_take(a->slots, link->peer.uid);
    if (r < 0) {
        refuse(a, link,
               r == WPIPE_EBUSY ? WPIPE_REASON_FULL : WPIPE_REASON_MEMORY, r);
        return;
    }
    a->total++;
    a->budget--;
    a->owner->admitted(a, link);
}
