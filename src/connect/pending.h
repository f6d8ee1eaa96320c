/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pending connections: connections that are not let in yet. Between acceptor.c
 * and pending.c only.
 */
#ifndef WPIPE_CONNECT_PENDING_H
#define WPIPE_CONNECT_PENDING_H

#include "connect/acceptor.h"

struct wpipe__pending {
    struct wpipe__link *link;
    struct wpipe__list node; /* in silent, greeted or queue */
    uint64_t id;
    uint64_t deadline; /* to say hello */
    uint8_t polled;
    uint8_t where; /* WPIPE__PENDING_* */
};

enum {
    WPIPE__PENDING_SILENT = 0,
    WPIPE__PENDING_GREETED = 1,
    WPIPE__PENDING_QUEUE = 2
};

/* A new one; its hello may be here already. The link is the pending
 * connection's, also when this fails: WPIPE_ENOMEM, WPIPE_ELIMIT. */
int wpipe__pending_add(struct wpipe__acceptor *a, struct wpipe__link *link);

/* Its socket is readable. */
void wpipe__pending_pump(struct wpipe__acceptor *a,
                         struct wpipe__pending *pending);

/* It did not say hello in time. */
void wpipe__pending_expire(struct wpipe__acceptor *a,
                           struct wpipe__pending *pending);

/* Admit those who wait, as far as a->budget goes. */
void wpipe__pending_admit_all(struct wpipe__acceptor *a);

/* Count it and tell the owner. */
void wpipe__pending_refused(struct wpipe__acceptor *a,
                            const struct wpipe__refusal *why);

/*
 * The system refused us a call that letting somebody in takes: the owner is
 * told, and has a->error to return if it waits for somebody. The second is for
 * what fails again and again while nobody can be accepted: told once.
 */
void wpipe__pending_fail(struct wpipe__acceptor *a, int error);
void wpipe__pending_fail_once(struct wpipe__acceptor *a, int error);

/* Only closes and frees. */
void wpipe__pending_free(struct wpipe__pending *pending);

#endif
