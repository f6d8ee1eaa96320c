/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests: connections that are not let in yet. Between acceptor.c and
 * guest.c only.
 */
#ifndef WPIPE_CONNECT_GUEST_H
#define WPIPE_CONNECT_GUEST_H

#include "connect/acceptor.h"

struct wpipe__guest {
    struct wpipe__link *link;
    struct wpipe__list node; /* in silent, lobby or queue */
    uint64_t id;
    uint64_t deadline; /* to say hello */
    uint8_t polled;
    uint8_t where; /* WPIPE__GUEST_* */
};

enum {
    WPIPE__GUEST_SILENT = 0,
    WPIPE__GUEST_LOBBY = 1,
    WPIPE__GUEST_QUEUE = 2
};

/* A new one; its hello may be here already. The link is the guest's, also
 * when this fails: WPIPE_ENOMEM, WPIPE_ELIMIT. */
int wpipe__guest_add(struct wpipe__acceptor *a, struct wpipe__link *link);

/* Its socket is readable. */
void wpipe__guest_pump(struct wpipe__acceptor *a, struct wpipe__guest *guest);

/* It did not say hello in time. */
void wpipe__guest_expire(struct wpipe__acceptor *a, struct wpipe__guest *guest);

/* Seat those who wait, as far as a->budget goes. */
void wpipe__guest_seat_all(struct wpipe__acceptor *a);

/* Count it and tell the owner. */
void wpipe__guest_refused(struct wpipe__acceptor *a,
                          const struct wpipe__refusal *why);

/* Only closes and frees. */
void wpipe__guest_free(struct wpipe__guest *guest);

#endif
