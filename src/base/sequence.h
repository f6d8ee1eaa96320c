/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of records: what may come after what on a message pipe, and the
 * one judge of it. A record that is sound in itself (record.h) may still come
 * at the wrong moment: a second TOTAL, a call inside a message, more or less
 * than was announced, more than we take.
 *
 * Pure. Used by all readers: loop/inbox.c and src/stream.
 */
#ifndef WPIPE_BASE_SEQUENCE_H
#define WPIPE_BASE_SEQUENCE_H

#include "base/record.h"

/* The message begun, as far as it was taken. All zero: none. */
struct wpipe__sequence {
    uint64_t size;      /* payload bytes of it */
    uint64_t total;     /* as announced; 0: it was not */
    uint8_t begun;      /* some of it was taken, and not all */
    uint8_t inside;     /* a part of a record was: that one was judged */
    uint8_t no_replies; /* set by the owner: who makes no calls gets none */
};

/*
 * May this record be taken next, with messages of at most `limit` bytes? Not
 * for ABORT, which may always come. 0; WPIPE_EPROTO, WPIPE_EMSGSIZE.
 */
int wpipe__sequence_judge(const struct wpipe__sequence *sequence,
                          const struct wpipe__record *record, uint64_t limit);

/* May it come on a byte pipe? Nothing there has flags: 0; WPIPE_EPROTO. FIN is
 * none of a reader's records. */
int wpipe__sequence_judge_bytes(const struct wpipe__record *record);

/* `bytes` of the record are taken; all of its (remaining) size ends it.
 * 1 when that ended the message, else 0. */
int wpipe__sequence_take(struct wpipe__sequence *sequence,
                         const struct wpipe__record *record, uint32_t bytes);

/* The message begun was withdrawn, or is given up. */
void wpipe__sequence_clear(struct wpipe__sequence *sequence);

#endif
