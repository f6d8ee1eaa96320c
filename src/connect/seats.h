/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats: how many clients a pipe has and how many it may have, in all and
 * from one user. Counted apart from the listener because its streams outlive
 * it: whoever holds a seat holds a reference. Any thread.
 */
#ifndef WPIPE_CONNECT_SEATS_H
#define WPIPE_CONNECT_SEATS_H

#include <stdint.h>
#include <windpipe/error.h>

#include "os/os.h"

struct wpipe__seats;

/* One reference, for the owner. `flag` (or none) is set when a seat becomes
 * free while all were taken; it stays the owner's. */
int wpipe__seats_make(const wpipe_options *options, wpipe__handle flag,
                      struct wpipe__seats **ret);

/* The owner goes; takes NULL. */
void wpipe__seats_close(struct wpipe__seats *seats);

/* Take a seat for a client of this user. 0; WPIPE_EBUSY all are taken, or all
 * that this user may have; WPIPE_ENOMEM. */
int wpipe__seats_take(struct wpipe__seats *seats, uint32_t uid);

/* Give it back. May be the last use of `seats`. */
void wpipe__seats_give(struct wpipe__seats *seats, uint32_t uid);

/* 1 when all are taken; then the flag is set once one is given back. */
int wpipe__seats_full(struct wpipe__seats *seats);

uint32_t wpipe__seats_taken(struct wpipe__seats *seats);

#endif
