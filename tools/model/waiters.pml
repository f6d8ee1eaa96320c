/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiters of one link: several threads wait for different things, one of them
 * polls the socket for all. The peer moves, dies or closes at any moment; any
 * thread or signal handler wakes at any moment; deadlines pass at any moment
 * or never.
 *
 * Kinds of waiters: 0 for data, 1 for room, 2 for a drain. Each makes WAITS
 * waits, and leaves between them.
 *
 * Memory is sequentially consistent here; arm.pml has the fences.
 *
 * Shown, by `judge`, when nobody can move any more: nobody sleeps whose
 * condition holds, or who was there when the peer died, or whose deadline is
 * over, or whom a wake had to end. And by asserts: one leader at most; no more
 * waits are ended by wakes than there were; the rounds have a bound.
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef WAITS
#define WAITS 2
#endif
#ifndef MOVES
#define MOVES 3 /* of the peer, of any kind */
#endif
#ifndef WAKES
#define WAKES 0
#endif
#ifndef DEADLINES
#define DEADLINES 0 /* how many pass */
#endif

/* What the peer shares. */
byte there[WAITERS]; /* moved by the peer, and not used up */
bit closed;          /* its state word: it said farewell */
bit dead;            /* the socket hangs up, for ever */
bit bell;            /* bytes on our socket */

/* The want word: which kinds, and under a fresh epoch or one that was rung.
 * `current`: it is the word that the peer has loaded. */
byte want;
bit rung;
bit current;

/* The room. Behind the lock: */
bit lock;
byte waiters;
byte users;
bit leading;
bit hung_up;
/* Without it: */
bit stale[WAITERS]; /* `turn` differs from what this one has noted */
bit asleep[WAITERS]; /* in the futex */
bit flag;            /* of the leader's poll */
bit flag_open;
byte wakes;          /* that were asked for */
byte told;           /* up to which one somebody was told */
bit pending;         /* WAKE_PENDING only */
bit expired[WAITERS];

/* Known to the judge alone. */
byte asked;          /* wakes */
byte ended[WAITERS]; /* waits that returned for a wake */
bit waits[WAITERS];  /* begun, and not over */
bit must_end[WAITERS];
bit owed;            /* a wake ended no wait yet */
byte leaders;

#define enter() lock == 0 -> lock = 1
#define leave() lock = 0

#define ready(i) (there[i] > 0 || closed || hung_up)

/* turn++: whoever noted an older one looks again. */
inline next_turn()
{
    d_step {
        for (k : 0 .. WAITERS - 1) { stale[k] = waits[k] }
        k = 0
    }
}

inline futex_wake()
{
    d_step {
        for (k : 0 .. WAITERS - 1) { asleep[k] = 0 }
        k = 0
    }
}

/* Take off the socket what there is. Locked. */
inline harvest()
{
    if
    :: bell || (dead && !hung_up) ->
        bell = 0;
#ifdef DEATH_FOR_LEADER
        alone = dead;
#else
#ifndef DEATH_NOT_KEPT
        hung_up = dead;
#endif
#endif
        news = 1
    :: else
    fi
}

/* A read or write call looks at the socket on its way. */
inline pump()
{
    atomic { enter(); harvest() };
    atomic {
        if
        :: news ->
#ifndef HARVEST_WITHOUT_TURN
            next_turn();
#endif
            if
            :: waiters > 0 -> futex_wake()
            :: else
            fi;
#ifndef HARVEST_WITHOUT_FLAG
            if
            :: leading -> flag = 1
            :: else
            fi;
#endif
            news = 0
        :: else
        fi;
        leave()
    }
}

/* Say what we all want, under an epoch that nobody has rung. Locked. */
inline publish()
{
    want = users;
#ifndef SAME_EPOCH
    rung = 0;
    current = 0;
#endif
}

/* Was this wait ended by a wake? The answer is in `seen`, 0 for no. */
inline woken()
{
#ifdef WAKE_PENDING
    if
    :: wakes != base -> seen = 1
    :: else ->
        atomic { seen = pending; pending = 0 } /* exchange */
    fi
#else
    seen = (wakes != base -> wakes : 0);
    if
    :: seen ->
        /* compare and swap, until it is no less */
        atomic { told = (told < seen -> seen : told) }
    :: else
    fi
#endif
}

proctype waiter(byte i)
{
    byte n;           /* waits */
    byte base, seen;  /* wakes */
    bit news, alone;
    byte k;

    do
    :: n == WAITS || (n > 0 && (closed || hung_up)) -> break
    :: else ->
        n++;
#ifdef PUMPS
        if
        :: pump()
        :: true
        fi;
#endif
        /* AWAKE */
        atomic {
#ifdef WAKE_PENDING
            base = wakes;
#else
#ifdef WAKE_FORGETS
            base = wakes;
#else
            base = told;
#endif
#endif
            waits[i] = 1
        };
        if
        :: ready(i) -> goto done
        :: else
        fi;
        /* JOINED */
        atomic {
            enter();
            waiters++;
            users = users | (1 << i);
#ifdef LATE_BASE
            base = told;
#endif
            leave()
        };
round:
#ifndef TURN_NOTED_LATE
        stale[i] = 0; /* note the turn */
#endif
        atomic { enter(); publish(); leave() };
        /* ARMED */
#ifndef NO_SECOND_LOOK
        if
        :: ready(i) || alone -> goto out
        :: else
        fi;
#endif
        woken();
        if
        :: seen -> goto out
        :: expired[i] -> goto out
        :: else
        fi;
#ifdef TURN_NOTED_LATE
        stale[i] = 0;
#endif
        atomic {
            enter();
#ifndef LATE_FLAG
            flag_open = 1
#endif
        };
        atomic {
            if
            :: stale[i] -> leave(); goto round
            :: !stale[i] && leading -> leave(); goto follow
            :: else -> leading = 1; leaders++; assert(leaders == 1)
            fi
#ifdef LATE_FLAG
        };
        atomic {
            flag_open = 1;
#else
            ;
#endif
            leave()
        };
        /* LEADING */
end_lead:
        bell || dead || flag || expired[i];
        atomic {
            enter();
            leading = 0;
#if !defined(FLAG_KEPT) && !defined(FLAG_CLEARED_LATE)
            flag = 0;
#endif
            leaders--
        };
        atomic {
#ifdef LEADER_TIMES_OUT_SILENTLY
            if
            :: expired[i] && !bell && !dead -> leave(); goto out
            :: else
            fi;
#endif
            harvest();
            news = 0;
#ifdef DEATH_FOR_LEADER
            if
            :: alone -> leave(); goto out
            :: else
            fi
#endif
        };
        atomic {
#ifndef LEADER_TELLS_NOBODY
            next_turn();
            futex_wake();
#endif
            leave()
        };
#ifdef FLAG_CLEARED_LATE
        flag = 0;
#endif
        goto round;
follow: /* FOLLOWING */
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
            waiters--;
            users = users & ~(1 << i);
            if
            :: waiters == 0 -> want = 0; current = 0
            :: else
            fi;
            leave()
        };
done:   /* DONE */
        atomic {
            if
            :: seen ->
                ended[i]++;
                assert(ended[i] <= asked);
                owed = 0
            :: !seen && there[i] > 0 -> there[i]--
            :: else
            fi;
            waits[i] = 0;
            stale[i] = 0;
            expired[i] = 0;
            must_end[i] = 0;
            seen = 0;
            base = 0
        }
    od
}

/* What the peer does after it moved an index for kind `k`. */
inline ring(k)
{
    atomic {
        owes = (want & (1 << k)) != 0 && !rung;
        current = 1
    };
    if
    :: owes ->
        atomic {
            if
            :: current -> rung = 1
            :: else /* an older epoch: `rung` only grows */
            fi;
            current = 0
        };
        atomic { bell = 1; owes = 0 }
    :: else -> current = 0
    fi
}

active proctype peer()
{
    byte moves;
    bit owes;

    do
    :: moves < MOVES -> moves++; there[0]++; ring(0)
    :: moves < MOVES -> moves++; there[1]++; ring(1)
#if WAITERS > 2
    :: moves < MOVES -> moves++; there[2]++; ring(2)
#endif
#ifdef DEATH
    :: dead = 1; break
    :: closed = 1; dead = 1; break
#endif
    :: break
    od
}

#if WAKES > 0
/* A thread, or a signal handler in any of them: it takes no lock. */
active proctype waker()
{
    byte k;
    bit found;

    do
    :: asked < WAKES ->
        atomic {
            asked++;
            owed = 1;
            for (k : 0 .. WAITERS - 1) {
                must_end[k] = must_end[k] || waits[k]
            }
            k = 0
        };
#ifdef WAKE_PENDING
        found = waiters > 0;
        atomic {
            if
            :: found -> wakes++
            :: else -> pending = 1
            fi;
            found = 0
        };
        atomic { next_turn(); futex_wake() };
#else
#ifdef WAKE_AFTER_TURN
        atomic { next_turn(); futex_wake() };
        wakes++;
#else
        wakes++;
        atomic { next_turn(); futex_wake() };
#endif
#endif
        atomic {
            if
            :: flag_open -> flag = 1
            :: else
            fi
        }
    :: break
    od
}
#endif

#if DEADLINES > 0
active proctype clock()
{
    byte passed;

    do
    :: passed < DEADLINES && waits[0] -> expired[0] = 1; passed++
    :: passed < DEADLINES && waits[1] -> expired[1] = 1; passed++
#if WAITERS > 2
    :: passed < DEADLINES && waits[2] -> expired[2] = 1; passed++
#endif
    :: break
    od
}
#endif

/* Nobody can move: is everybody who still waits right to wait? */
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
            assert(!waits[k] || there[k] == 0);
            assert(!waits[k] || !(dead || closed));
            assert(!waits[k] || !expired[k]);
            assert(!waits[k] || !must_end[k]);
            assert(!waits[k] || !owed)
        }
    }
}
