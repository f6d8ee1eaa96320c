/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every runner of cases needs: which peers take part, and rows for what
 * came out. See cases.h.
 */
#include "cases.h"

#include <stdio.h>

static int case_names_peer(const struct bench_case *self, enum peer_id id)
{
    for (int i = 0; i < TARGETS_MOST; i++)
        if (self->targets[i].against == id)
            return 1;
    return 0;
}

int case_has_peer(const struct bench *bench, const struct bench_case *self,
                  enum peer_id id)
{
    if (id == PEER_NONE || !peer_get(id))
        return 0;
    if (id == self->ours)
        return 1;
    if (bench->against != 0)
        return (bench->against >> id & 1) != 0;
    if (self->few || !bench->complete)
        return case_names_peer(self, id);
    /* The two buffers are about large messages only. */
    if (id == PEER_BUFFERS && self->slice.bytes < 65536)
        return 0;
    return id >= PEER_CONTROL;
}

struct row *outcome_row(struct outcome *outcome, const char *name,
                        const char *unit)
{
    struct row *row;

    if (outcome->count < OUTCOME_ROWS)
        outcome->count++;
    row = &outcome->rows[outcome->count - 1];
    *row = (struct row){ .unit = unit };
    snprintf(row->name, sizeof(row->name), "%s", name);
    return row;
}
