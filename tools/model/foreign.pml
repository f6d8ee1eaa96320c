/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room of a link whose socket alone can tell: a plain socket, a pipe. What
 * the leader polls for must be what all of them want, also when somebody joins
 * later. Waiter 0 reads, the others write. A peer reads, writes, finishes
 * (half-closes) or dies at any moment.
 *
 * The socket is level-triggered. Who leads and finds something for another
 * must not poll for that again before the other one has looked, or it runs in
 * circles for as long as the other one has no core: `served`.
 *
 * Shown by `judge`, as in room.pml: nobody sleeps whose condition holds, or
 * after a death, or after a deadline. Without non-progress cycles (pan -l):
 * nobody runs in circles while nobody else moves.
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef WAITS
#define WAITS 2
#endif
#ifndef MOVES
#define MOVES 3 /* of the peer */
#endif
#ifndef DEADLINES
#define DEADLINES 1
#endif

#define IN  1
#define OUT 2

/* The socket. */
byte unread;
byte space; /* of its send buffer, which is full at first */
bit finished;
bit dead;

/* The room; see room.pml. */
bit lock;
byte users[2]; /* how many want IN, OUT */
byte served;   /* seen by a leader, and not looked at by who wants it */
bit leading;
byte polled;
bit stale[WAITERS];
bit asleep[WAITERS];
bit flag;
bit expired[WAITERS];

/* Known to the judge alone. */
bit waits[WAITERS];

#define enter() lock == 0 -> lock = 1
#define leave() lock = 0

#define mask(i)  ((i) == 0 -> IN : OUT)
#define kind(i)  ((i) > 0)
#define ready(i) (dead || ((i) == 0 -> unread > 0 || finished : space > 0))

#define wanted (((users[0] > 0) + 2 * (users[1] > 0)) & ~served)

#define events                                            \
    (((unread > 0 || finished || dead) + 2 * (space > 0 || dead)) & polled)

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

proctype waiter(byte i)
{
    byte n, k;

    do
    :: n == WAITS || (n > 0 && dead) || (n > 0 && i == 0 && finished) -> break
    :: else ->
        n++;
        waits[i] = 1;
        if
        :: ready(i) -> goto done
        :: else
        fi;
        atomic { enter(); users[kind(i)]++; leave() };
round:
        stale[i] = 0;
        atomic {
            enter();
            served = served & ~mask(i);
#ifndef JOINER_TELLS_NOBODY
            if
            :: leading && (wanted & ~polled) -> flag = 1
            :: else
            fi;
#endif
            leave()
        };
        if
        :: ready(i) -> goto out
        :: expired[i] -> goto out
        :: else
        fi;
        atomic {
            enter();
            if
            :: stale[i] -> leave(); goto round
            :: !stale[i] && leading -> leave(); goto follow
            :: else -> leading = 1; polled = wanted
            fi;
#ifdef POLLS_OWN_WANT
            polled = mask(i);
#endif
            leave()
        };
end_lead:
        events || dead || flag || expired[i];
        atomic {
            enter();
#ifndef NOTHING_SERVED
            served = served | (events & ~mask(i));
#endif
            leading = 0;
            polled = 0;
            flag = 0;
            tell_all();
            leave()
        };
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
        goto round;
out:
        atomic {
            enter();
            users[kind(i)]--;
            leave()
        };
done:
        atomic {
            if
            :: dead
            :: !dead && i == 0 && unread > 0 -> unread--
            :: !dead && i > 0 && space > 0 -> space--
            :: else
            fi;
            waits[i] = 0;
            stale[i] = 0;
            expired[i] = 0
        }
    od
}

active proctype peer()
{
    byte moves;

    do
    :: moves < MOVES && !finished -> moves++; unread++
    :: moves < MOVES -> moves++; space++
    :: !finished -> finished = 1
    :: dead = 1; break
    :: break
    od
}

active proctype clock()
{
    byte passed;

    do
    :: passed < DEADLINES && waits[0] -> expired[0] = 1; passed++
    :: passed < DEADLINES && waits[1] -> expired[1] = 1; passed++
    :: break
    od
}

active proctype judge()
{
    byte k;

    atomic {
        for (k : 0 .. WAITERS - 1) { run waiter(k) }
        k = 0
    };
end_judge:
    timeout ->
    d_step {
        for (k : 0 .. WAITERS - 1) {
            assert(!waits[k] || !ready(k));
            assert(!waits[k] || !expired[k])
        }
    }
}
