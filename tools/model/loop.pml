/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiters of a server or client: one poller, several connections. Waiter 0 is
 * in `wait` and takes messages and ends of all; the others want room on one
 * connection each (send_wait). Whoever drives polls for all of them; while one
 * is in `wait` it is that one, and another who drives gives way to it. The want
 * of data stays published while nobody is in `wait`.
 *
 * Connections that had news are `hot`: the one in `wait` looks at those alone.
 * It arms one, looks once more, and then lets it cool. A connection is armed
 * anew after a bell was taken off its socket, or when more is wanted.
 *
 * Shown by `judge`, as in waiters.pml; and no non-progress cycles.
 */
#ifndef FOLLOWERS
#define FOLLOWERS 1
#endif
#ifndef WAITS
#define WAITS 2
#endif
#ifndef MOVES
#define MOVES 2 /* of each peer */
#endif
#ifndef DEADLINES
#define DEADLINES 0
#endif

#define WAITERS (1 + FOLLOWERS)
#define CONNS   2
#define DATA    1
#define ROOM    2
#define conn(i) ((i) - 1)

/* What peers share, and the words for them: see waiters.pml. */
byte data[CONNS];
byte room[CONNS];
bit dead[CONNS];
bit bell[CONNS];
byte want[CONNS];
bit rung[CONNS];
bit current[CONNS];

/* The loop. Behind the lock: */
bit lock;
bit senders[CONNS]; /* somebody waits for room on it */
bit armed[CONNS];   /* under an epoch of which no bell was taken off */
bit hot[CONNS] = 1; /* new ones are */
bit polled[CONNS] = 1;
bit hung_up[CONNS];
bit reported[CONNS]; /* its end was told to the one in `wait` */
bit leading; /* somebody drives */
bit waiting; /* one is in `wait`, or will drive for it */
/* Without it: */
bit stale[WAITERS];
bit asleep[WAITERS];
bit flag;
bit polling; /* somebody sleeps in the poller, or is about to */
bit expired[WAITERS];

/* Known to the judge alone. */
bit waits[WAITERS];

#define enter() lock == 0 -> lock = 1
#define leave() lock = 0

#define has_event(c) (data[c] > 0 || (hung_up[c] && !reported[c]))
#define has_room(c)  (room[c] > 0 || hung_up[c])
#define is_ready(c)  (polled[c] && (bell[c] || dead[c]))

inline tell_all()
{
    d_step {
        for (k : 0 .. WAITERS - 1) {
            stale[k] = waits[k];
            asleep[k] = 0
        }
        k = 0
    }
}

/* Take off its socket what there is. Locked. */
inline harvest(c)
{
    if
    :: is_ready(c) ->
        bell[c] = 0;
        hung_up[c] = dead[c];
#ifndef END_STAYS_POLLED
        polled[c] = !dead[c];
#endif
#ifndef EPOCH_KEPT
        armed[c] = 0;
#endif
#ifndef NOT_HEATED
        hot[c] = 1;
#endif
        news = 1
    :: else
    fi
}

/* Publish what is wanted of it, if that is news for its peer. Locked. */
inline arm(c)
{
    if
#ifdef WANT_NOT_ADDED
    :: !armed[c] ->
#else
    :: !armed[c] || (senders[c] && !(want[c] & ROOM)) ->
#endif
        want[c] = DATA + ROOM * senders[c];
        rung[c] = 0;
        current[c] = 0;
        armed[c] = 1
    :: else
    fi
}

/* The one in `wait`: is there something on this one? Else it cools. Locked. */
inline settle(c)
{
    if
    :: hot[c] ->
        atomic { arm(c) };
        atomic {
            if
            :: has_event(c) -> found = 1 + c
            :: else -> hot[c] = 0
            fi
        }
    :: else
    fi
}

/* Who drives wakes: it harvests all of them, and a follower gives up the drive.
 */
inline wake_up(i)
{
    atomic { enter(); polling = 0; flag = 0; harvest(0) };
    atomic {
        harvest(1);
        news = 0;
        if
        :: i == 0
        :: else -> leading = 0
        fi;
#ifndef LEADER_TELLS_NOBODY
        tell_all();
#endif
        leave()
    }
}

/* A follower: sleep once, unless the turn is another; then go on at `round`.
 * It drives if nobody does and nobody is in `wait`, and stays awake for a
 * while before it sleeps: that is between the first two steps. */
inline sleep_once(i)
{
    atomic {
        enter();
        if
        :: stale[i] -> leave(); goto round
        :: !stale[i] && (leading || waiting) -> leave(); goto follow
        :: else -> leading = 1; leave()
        fi
    };
    atomic {
        enter();
        if
        :: stale[i] -> leading = 0; tell_all(); leave(); goto round
        :: else -> polling = 1; leave()
        fi
    };
end_lead:
    is_ready(0) || is_ready(1) || flag || expired[i];
    wake_up(i);
    goto round;
follow:
    atomic {
        if
        :: !stale[i] -> asleep[i] = 1
        :: else
        fi
    };
end_follow:
    atomic { !asleep[i] || expired[i] -> asleep[i] = 0 };
    goto round
}

#define done(i)     \
    waits[i] = 0;   \
    stale[i] = 0;   \
    expired[i] = 0

proctype driver()
{
    byte n, k, found;
    bit news;

    do
    :: n == WAITS -> break
    :: else ->
        n++;
        waits[0] = 1;
        atomic { enter(); waiting = 1; leave() };
begin:
        /* who drives takes no events: it is to give way */
        atomic {
            enter();
            if
            :: !leading -> leading = 1; leave(); goto round
            :: else ->
#ifndef WAIT_RINGS_ALONE
                tell_all();
#endif
                flag = flag || polling;
                stale[0] = 0;
                leave()
            fi
        };
        atomic {
            if
            :: !stale[0] -> asleep[0] = 1
            :: else
            fi
        };
end_begin:
        !asleep[0];
        goto begin;
round:
        stale[0] = 0;
        atomic { enter() };
        settle(0);
        if
        :: !found -> settle(1)
        :: else
        fi;
        leave();
        if
        :: found || expired[0] -> goto out
        :: else
        fi;
        atomic {
            enter();
            if
            :: stale[0] -> leave(); goto round
            :: else -> polling = 1; leave()
            fi
        };
end_lead:
        is_ready(0) || is_ready(1) || flag || expired[0];
        wake_up(0);
        goto round;
out:
        atomic {
            if
            :: found && data[found - 1] > 0 -> data[found - 1]--
            :: found && data[found - 1] == 0 -> reported[found - 1] = 1
            :: else
            fi;
            found = 0;
            enter();
            leading = 0;
            waiting = 0;
            done(0);
#ifndef WAIT_ENDS_SILENTLY
            tell_all();
#endif
            leave()
        }
    od
}

/* Threads in send_wait, and in send between that. */
proctype follower(byte i)
{
    byte n, k;
    bit news;

    do
    :: n == WAITS || hung_up[conn(i)] -> break
    :: else ->
        n++;
        if
        :: true
#ifdef PUMPS
        :: atomic { enter(); harvest(conn(i)) };
           atomic {
               if
               :: news ->
                   tell_all();
#ifndef HARVEST_WITHOUT_FLAG
                   flag = flag || polling;
#endif
                   news = 0
               :: else
               fi;
               leave()
           }
#endif
        fi;
        waits[i] = 1;
        if
        :: has_room(conn(i)) -> goto out
        :: else
        fi;
        atomic { enter(); senders[conn(i)] = 1; leave() };
round:
        stale[i] = 0;
        atomic { enter(); arm(conn(i)); leave() };
        if
        :: has_room(conn(i)) || expired[i] -> goto out
        :: else
        fi;
        sleep_once(i);
out:
        atomic {
            enter();
            senders[conn(i)] = 0;
            if
            :: room[conn(i)] > 0 -> room[conn(i)]--
            :: else
            fi;
            done(i);
            leave()
        }
    od
}

inline ring(c, kind)
{
    atomic {
        owes = (want[c] & kind) != 0 && !rung[c];
        current[c] = 1
    };
    if
    :: owes ->
        atomic { rung[c] = rung[c] || current[c]; current[c] = 0 };
        atomic { bell[c] = 1; owes = 0 }
    :: else -> current[c] = 0
    fi
}

proctype peer(byte c)
{
    byte moves;
    bit owes;

    do
    :: moves < MOVES -> moves++; data[c]++; ring(c, DATA)
    :: moves < MOVES -> moves++; room[c]++; ring(c, ROOM)
#ifdef DEATH
    :: c == 0 -> dead[c] = 1; break
#endif
    :: break
    od
}

#if DEADLINES > 0
active proctype clock()
{
    byte passed;

    do
    :: passed < DEADLINES && waits[0] -> expired[0] = 1; passed++
    :: passed < DEADLINES && waits[1] -> expired[1] = 1; passed++
    :: break
    od
}
#endif

active proctype judge()
{
    byte k;

    atomic {
        run driver();
        for (k : 1 .. WAITERS - 1) { run follower(k) }
        run peer(0);
        run peer(1);
        k = 0
    };
end_judge:
    timeout ->
    d_step {
        for (k : 0 .. CONNS - 1) {
            assert(!waits[0] || data[k] == 0);
            assert(!waits[0] || !dead[k] || reported[k])
        }
        for (k : 1 .. WAITERS - 1) {
            assert(!waits[k] || room[conn(k)] == 0);
            assert(!waits[k] || !dead[conn(k)])
        }
        for (k : 0 .. WAITERS - 1) {
            assert(!waits[k] || !expired[k])
        }
    }
}
