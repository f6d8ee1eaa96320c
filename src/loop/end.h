/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Until it has been read, and ends in good order: what drain, disconnect,
 * shutdown and close of servers and clients have in common. All locked, as in
 * loop/loop.h.
 */
#ifndef WPIPE_LOOP_END_H
#define WPIPE_LOOP_END_H

#include "loop/loop.h"

/* How far what was accepted is to get before the end. */
enum wpipe__until {
    WPIPE__UNTIL_HANDED = 0, /* into the ring or the socket */
    WPIPE__UNTIL_READ = 1
};

/* Is it that far: 1; 0 not yet; < 0 it never will be. */
int wpipe__loop_reached(struct wpipe__loop *loop, struct wpipe__conn *conn,
                        enum wpipe__until until);

/* Until it is worth to ask again whether all was read, as wpipe__loop_follow.
 * That a peer which is not windpipe has read gives no sign: the kernel is asked
 * now and then. It stays one wait, which wakes that came since its beginning
 * end. */
int wpipe__loop_await_read(struct wpipe__loop *loop, struct wpipe__link *link,
                           struct wpipe__rest *rest);

/* Wait until it has read everything: 0; WPIPE_ENOTCONN (it went before that),
 * and as wpipe__loop_follow. It may be gone then. */
int wpipe__loop_drain(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      struct wpipe__rest *rest);

/* End it and tell. `state` is what the peer hears. */
void wpipe__loop_end(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     uint32_t state, int reason, int error);

/* Nothing more is accepted for it; it ends once all is read, or nothing is for
 * `linger_ms`. 0; WPIPE_ENOTCONN. The owner sets its timer after this. */
int wpipe__loop_disconnect(struct wpipe__loop *loop, struct wpipe__conn *conn,
                           int linger_ms);
/* The owner's timer: loop.leave_at is over, maybe. */
void wpipe__loop_see_off(struct wpipe__loop *loop);

/* End it: CLOSED, or LOST if something that was accepted is still here. */
void wpipe__loop_close(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* Add what it lost, if anything. */
void wpipe__lost_add(wpipe_lost *lost, const struct wpipe__conn *conn);
/* Is it a caller's, or NULL: 0; WPIPE_EINVAL. */
int wpipe__lost_check(const wpipe_lost *ret_lost);
/* Fill in the caller's as far as its size goes. */
void wpipe__lost_give(const wpipe_lost *lost, wpipe_lost *ret_lost);

#endif
