/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting seats. Users are few, so they are kept in a small array, and only
 * when there is a limit for each.
 */
#include "connect/seats.h"

#include <stddef.h>

#include "base/memory.h"

struct user {
    uint32_t uid;
    uint32_t seats;
};

struct wpipe__seats {
    struct wpipe__mutex lock;
    wpipe__handle flag;
    uint32_t generation;
    uint32_t limit;
    uint32_t per_user; /* 0: no limit of its own */
    uint32_t taken;
    uint32_t users_count;
    uint32_t users_room;
    int closed;  /* the owner is gone */
    int refused; /* since the last seat was given back */
    struct user *users;
};

int wpipe__seats_make(const wpipe_options *options, wpipe__handle flag,
                      struct wpipe__seats **ret)
{
    struct wpipe__seats *seats = wpipe__alloc(sizeof(*seats));
    int r;

    if (seats == NULL)
        return WPIPE_ENOMEM;
    r = wpipe__mutex_init(&seats->lock);
    if (r < 0) {
        wpipe__free(seats);
        return r;
    }
    seats->flag = flag;
    seats->generation = wpipe__os_generation();
    seats->limit = options->max_clients;
    seats->per_user = options->max_per_user;
    *ret = seats;
    return 0;
}

static void free_seats(struct wpipe__seats *seats)
{
    wpipe__mutex_done(&seats->lock);
    wpipe__free(seats->users);
    wpipe__free(seats);
}

void wpipe__seats_close(struct wpipe__seats *seats)
{
    uint32_t left;

    if (seats == NULL)
        return;
    if (seats->generation != wpipe__os_generation())
        return; /* forked: the lock may be held for ever, streams may go on */
    wpipe__mutex_lock(&seats->lock);
    seats->closed = 1;
    seats->flag = WPIPE__NO_HANDLE;
    left = seats->taken;
    wpipe__mutex_unlock(&seats->lock);
    if (left == 0)
        free_seats(seats);
}

/* The user's entry, made when absent; NULL without memory. */
static struct user *find_user(struct wpipe__seats *seats, uint32_t uid)
{
    struct user *users = seats->users;
    uint32_t room;
    uint32_t i;

    for (i = 0; i < seats->users_count; i++)
        if (users[i].uid == uid)
            return &users[i];
    if (seats->users_count == seats->users_room) {
        room = seats->users_room == 0 ? 4 : seats->users_room * 2;
        users = wpipe__resize(users, room * sizeof(*users));
        if (users == NULL)
            return NULL;
        seats->users = users;
        seats->users_room = room;
    }
    users[seats->users_count].uid = uid;
    users[seats->users_count].seats = 0;
    return &users[seats->users_count++];
}

static int take_for_user(struct wpipe__seats *seats, uint32_t uid)
{
    struct user *user;

    if (seats->per_user == 0)
        return 0;
    user = find_user(seats, uid);
    if (user == NULL)
        return WPIPE_ENOMEM;
    if (user->seats >= seats->per_user)
        return WPIPE_EBUSY;
    user->seats++;
    return 0;
}

int wpipe__seats_take(struct wpipe__seats *seats, uint32_t uid)
{
    int r = WPIPE_EBUSY;

    wpipe__mutex_lock(&seats->lock);
    if (seats->taken < seats->limit)
        r = take_for_user(seats, uid);
    if (r == 0)
        seats->taken++;
    else
        seats->refused = 1;
    wpipe__mutex_unlock(&seats->lock);
    return r;
}

static void give_for_user(struct wpipe__seats *seats, uint32_t uid)
{
    struct user *user;

    if (seats->per_user == 0)
        return;
    user = find_user(seats, uid); /* it is there */
    if (user != NULL && --user->seats == 0)
        *user = seats->users[--seats->users_count];
}

void wpipe__seats_give(struct wpipe__seats *seats, uint32_t uid)
{
    int last;

    wpipe__mutex_lock(&seats->lock);
    give_for_user(seats, uid);
    seats->taken--;
    if (seats->refused && seats->flag != WPIPE__NO_HANDLE)
        wpipe__os_flag_set(seats->flag);
    seats->refused = 0;
    last = seats->closed && seats->taken == 0;
    wpipe__mutex_unlock(&seats->lock);
    if (last)
        free_seats(seats);
}

int wpipe__seats_full(struct wpipe__seats *seats)
{
    int full;

    wpipe__mutex_lock(&seats->lock);
    full = seats->taken >= seats->limit;
    if (full)
        seats->refused = 1; /* tell when one is given back */
    wpipe__mutex_unlock(&seats->lock);
    return full;
}

uint32_t wpipe__seats_taken(struct wpipe__seats *seats)
{
    uint32_t taken;

    wpipe__mutex_lock(&seats->lock);
    taken = seats->taken;
    wpipe__mutex_unlock(&seats->lock);
    return taken;
}
