/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns. Users take turns, and within one his connections do: so one with many
 * connections waits longer for each of them, and nobody else does. All under
 * the loop's lock; used by src/loop alone.
 */
#include "loop/inside.h"

struct wpipe__user_turn *wpipe__loop_turn(const struct wpipe__loop *loop)
{
    struct wpipe__list *node = wpipe__list_first(&loop->turns);

    return node == NULL
               ? NULL
               : wpipe__container_of(node, struct wpipe__user_turn, node);
}

void wpipe__loop_pass_turn(struct wpipe__loop *loop,
                           struct wpipe__user_turn *turn)
{
    turn->burst = 0;
    if (wpipe__list_empty(&turn->node))
        return; /* he has nothing any more */
    wpipe__list_remove(&turn->node);
    wpipe__list_append(&loop->turns, &turn->node);
}

struct wpipe__conn *wpipe__turn_first(const struct wpipe__user_turn *turn)
{
    struct wpipe__list *node = wpipe__list_first(&turn->active);

    return node == NULL ? NULL
                        : wpipe__container_of(node, struct wpipe__conn, active);
}

void wpipe__turn_add(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__user_turn *turn = conn->account == NULL
                                        ? &loop->turn
                                        : &conn->account->turns[loop->number];

    conn->turn = turn;
    wpipe__list_append(&turn->active, &conn->active);
    loop->active_count++;
    if (turn->count++ > 0)
        return;
    wpipe__list_append(&loop->turns, &turn->node);
    loop->turn_count++;
}

void wpipe__turn_remove(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__user_turn *turn = conn->turn;

    if (turn == NULL)
        return;
    conn->turn = NULL;
    wpipe__list_remove(&conn->active);
    loop->active_count--;
    wpipe__conn_note_use(conn);
    if (--turn->count > 0)
        return;
    turn->burst = 0;
    wpipe__list_remove(&turn->node);
    loop->turn_count--;
}

void wpipe__turn_to_the_back(struct wpipe__conn *conn)
{
    wpipe__list_remove(&conn->active);
    wpipe__list_append(&conn->turn->active, &conn->active);
    conn->burst = 0;
}

struct wpipe__conn *wpipe__loop_next_active(const struct wpipe__loop *loop,
                                            const struct wpipe__conn *conn)
{
    const struct wpipe__list *node;

    if (conn == NULL) {
        node = wpipe__list_first(&loop->turns);
    } else {
        node = wpipe__list_next(&conn->turn->active, &conn->active);
        if (node != NULL)
            return wpipe__container_of(node, struct wpipe__conn, active);
        node = wpipe__list_next(&loop->turns, &conn->turn->node);
    }
    return node == NULL ? NULL
                        : wpipe__turn_first(wpipe__container_of(
                              node, struct wpipe__user_turn, node));
}
