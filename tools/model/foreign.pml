/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiters of a link whose socket alone can tell: a plain socket, a pipe. What
 * the leader polls for must be what all of them want, also when somebody joins
 * later. Waiter 0 reads and waiter 1 writes: a stream has one of each at a time,
 * so a look that hands over what was pending need not tell anybody. A peer reads,
 * writes, finishes (half-closes) or dies at any moment.
 *
 * The socket is level-triggered, so whoever leads does what it is ready for,
 * for itself and for the other (harvest): it hands over what is pending, and
 * takes what came into the queue, up to a limit. It asks for OUT only while
 * something is pending, and for IN only below the limit: what it finds, it can
 * do something about. A waiter that looks does its own half of the same.
 *
 * Shown by `judge`, as in waiters.pml: nobody sleeps whose condition holds, or
 * after a death, or after a deadline, and nothing that has room stays pending
 * while somebody waits. Without non-progress cycles (pan -l): nobody runs in
 * circles while nobody else moves.
 */
#define WAITERS 2
#ifndef WAITS
#define WAITS 2
#endif
#ifndef MOVES
#define MOVES 3 /* of the peer */
#endif
#ifndef DEADLINES
#define DEADLINES 1
#endif

#define IN    1
#define OUT   2
#define LIMIT 1

/* The socket. */
byte unread;
byte space; /* of its send buffer, which is full at first */
bit finished;
bit dead;

/* The link. */
bit lock;
byte queue;  /* taken off the socket, not read yet */
bit ended;   /* and nothing more will come */
bit pending; /* not handed over yet */
bit broken;  /* and it never will be */

/* The waiters; see waiters.pml. */
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

#define ready(i)                                            \
    ((i) == 0 -> queue > 0 || ended : !pending || broken)

/* What there is to poll for, whoever waits. */
#ifdef IN_AT_LIMIT
#define asks_in !ended
#else
#define asks_in (!ended && queue < LIMIT)
#endif
#ifdef OUT_ALWAYS
#define asks_out !broken
#else
#define asks_out (pending && !broken)
#endif
#define interest ((asks_in -> IN : 0) | (asks_out -> OUT : 0))

#define events                                              \
    (((unread > 0 || finished || dead -> IN : 0) |          \
      (space > 0 || dead -> OUT : 0)) & polled)

/* Take one thing off the socket, or see its end. */
inline receive()
{
    if
    :: !ended && queue < LIMIT && unread > 0 -> unread--; queue++
    :: !ended && queue < LIMIT && unread == 0 && (finished || dead) ->
        ended = 1
    :: else
    fi
}

/* Hand over what is pending. */
inline flush()
{
    if
    :: pending && dead -> broken = 1
    :: pending && !dead && space > 0 -> space--; pending = 0
    :: else
    fi
}

/* What a look of one's own does: half of a harvest. */
inline look(i)
{
    if
    :: i == 0 && queue == 0 -> receive()
    :: i > 0 -> flush()
    :: else
    fi
}

/* A write: what finds no room is pending, and is waited for. */
inline put()
{
    if
    :: !pending && space > 0 -> space--
    :: !pending && space == 0 -> pending = 1
    :: else
    fi
}

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
    :: n == WAITS || (n > 0 && dead) || (n > 0 && i == 0 && ended) -> break
    :: else ->
        n++;
        atomic {
            enter();
            if
            :: i > 0 -> put()
            :: else
            fi;
            waits[i] = 1;
            look(i);
            leave();
            if
            :: ready(i) -> goto done
            :: else
            fi
        };
round:
        stale[i] = 0;
#ifndef JOINER_TELLS_NOBODY
        atomic {
            enter();
            if
            :: leading && (interest & ~polled) -> flag = 1; tell_all()
            :: else
            fi;
            stale[i] = 0; /* its own telling is no reason to look again */
            leave()
        };
#endif
        atomic {
            enter();
            look(i);
            leave();
            if
            :: ready(i) || expired[i] -> goto done
            :: else
            fi
        };
        atomic {
            enter();
            if
            :: stale[i] -> leave(); goto round
            :: !stale[i] && leading -> leave(); goto follow
            :: else -> leading = 1; polled = interest
            fi;
#ifdef POLLS_OWN_WANT
            polled = interest & (i == 0 -> IN : OUT);
#endif
            leave()
        };
end_lead:
        events || dead || flag || expired[i];
        atomic {
            enter();
#ifdef HARVESTS_FOR_ITSELF
            look(i);
#else
            flush();
            receive();
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
done:
        atomic {
            if
            :: i == 0 && queue > 0 -> queue--
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
            assert(!waits[k] || !expired[k]);
            assert(!waits[k] || !dead);
            assert(!waits[k] || !pending || space == 0)
        };
        assert(!waits[0] || (queue == 0 && unread == 0 && !finished));
        assert(!waits[1] || pending)
    }
}
