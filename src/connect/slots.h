/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: how many clients a pipe has and how many it may have, in all and
 * from one user. Counted apart from the listener because its streams outlive
 * it: whoever holds a slot holds a reference. Any thread.
 */
#ifndef WPIPE_CONNECT_SLOTS_H
#define WPIPE_CONNECT_SLOTS_H

#include <stdint.h>
#include <windpipe/error.h>

#include "os/os.h"

struct wpipe__slots;

/* One reference, for the owner. `flag` (or none) is set when a slot becomes
 * free while all were taken; it stays the owner's. */
int wpipe__slots_make(const wpipe_options *options, wpipe__handle flag,
                      struct wpipe__slots **ret);

/* The owner goes; takes NULL. */
void wpipe__slots_close(struct wpipe__slots *slots);

/* Take a slot for a client of this user. 0; WPIPE_EBUSY all are taken, or all
 * that this user may have; WPIPE_ENOMEM. */
int wpipe__slots_take(struct wpipe__slots *slots, uint32_t uid);

/* Give it back. May be the last use of `slots`. */
void wpipe__slots_give(struct wpipe__slots *slots, uint32_t uid);

/* 1 when all are taken; then the flag is set once one is given back. */
int wpipe__slots_full(struct wpipe__slots *slots);

uint32_t wpipe__slots_taken(struct wpipe__slots *slots);

#endif
