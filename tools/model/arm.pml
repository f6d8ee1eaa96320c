/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arm, look, sleep: two ends of one ring on a machine that stores late.
 *
 * A writer sends RECORDS records through a ring of SLOTS; it sleeps for room,
 * the reader for data. Each thread has a store buffer of one word, as a core of an
 * x86 has: what it stored is seen by the other when the buffer is emptied, at
 * any later moment. Only the two words of the argument are buffered: the index
 * that a thread moves, and the want that it publishes.
 *
 * Shown: both ends reach their end, so neither sleeps on a record or on room
 * that is there; no epoch is rung twice; the rounds have a bound.
 *
 * BARRIER: wakers leave their fence out, and the sleeper makes them pass one
 * (membarrier): docs/decisions/0009.
 */
#ifndef RECORDS
#define RECORDS 3
#endif
#ifndef SLOTS
#define SLOTS 1
#endif
#define FLOW_BEGINS 1
#define FLOW_ENDS   RECORDS

#define WRITER 0
#define READER 1
#define OTHER  (1 - me)

/* An honest run needs fewer; a loop without news needs more. */
#define EPOCHS_MOST 40

mtype = { NOTHING, INDEX, WANT };

/* Memory. Of a writer, the index is its head, of a reader, its tail. */
byte index[2];
byte want[2]; /* the epoch that it sleeps in; 0: it does not */
bit fenceless; /* of the writer: it is in full flow */

/* What a thread has stored and others do not see yet. */
mtype late[2] = NOTHING;
byte late_value[2];
bit late_flow;  /* behind the index: it has stored the other `fenceless` */

byte rung[2];  /* by this end: the last epoch of the other */
byte bells[2]; /* on the socket, for this end */
byte epoch[2];
byte heard[2]; /* bells that ever came */

#define is_seen(who) \
    (late[who] == NOTHING && !((who) == WRITER && late_flow))

inline flush(who)
{
    if
    :: late[who] == INDEX -> index[who] = late_value[who]
    :: late[who] == WANT -> want[who] = late_value[who]
    fi;
    late[who] = NOTHING;
    late_value[who] = 0
}

inline store(what, value)
{
    atomic {
        is_seen(me) -> /* one word at a time, in order */
        late[me] = what;
        late_value[me] = value
    }
}

inline fence()
{
    is_seen(me)
}

/* All threads of the other process pass a fence. */
inline barrier()
{
    is_seen(OTHER)
}

active proctype memory()
{
end_stores:
    do
    :: atomic { late[WRITER] != NOTHING -> flush(WRITER) }
    :: atomic { late[READER] != NOTHING -> flush(READER) }
    :: atomic {
           late[WRITER] == NOTHING && late_flow ->
           fenceless = !fenceless;
           late_flow = 0
       }
    od
}

#ifdef BARRIER
/* A reader never passes a fence; who waits for it knows. A writer in full flow
 * says so once, and passes the last one after that. */
inline wakers_fence()
{
    if
    :: me == READER
    :: me == WRITER && sent == FLOW_BEGINS ->
        late_flow = 1;
#ifndef NO_FENCE_FLOW
        fence()
#endif
    :: me == WRITER && sent == FLOW_ENDS ->
        late_flow = 1;
        fence()
    :: me == WRITER && sent > FLOW_BEGINS && sent < FLOW_ENDS
    :: me == WRITER && (sent < FLOW_BEGINS || sent > FLOW_ENDS) -> fence()
    fi
}

inline sleepers_fence()
{
    fence();
#ifdef NO_BARRIER
    skip
#else
    if
    :: me == WRITER || fenceless -> barrier()
    :: else
    fi
#endif
}
#else
inline wakers_fence()
{
#ifdef NO_FENCE_WAKER
    skip
#else
    fence()
#endif
}

inline sleepers_fence()
{
#ifdef NO_FENCE_SLEEPER
    skip
#else
    fence()
#endif
}
#endif

/* Of the writer, by the index that it sees. */
#define has_room (sent - index[READER] < SLOTS)

/* The waker's half, after its index was stored. */
inline ring()
{
    wakers_fence();
    seen = want[OTHER];
    if
    :: atomic { seen > rung[me] -> rung[me] = seen }
       atomic {
           bells[OTHER]++;
           heard[OTHER]++;
           assert(heard[OTHER] <= epoch[OTHER])
       }
    :: else
    fi;
    seen = 0
}

/* The sleeper's half: publish, fence. */
inline arm()
{
#ifdef SAME_EPOCH
    epoch[me] = 1;
#else
    epoch[me]++;
#endif
    assert(epoch[me] < EPOCHS_MOST);
    store(WANT, epoch[me]);
    sleepers_fence()
}

inline sleep()
{
    bells[me] > 0 -> bells[me] = 0
}

active proctype writer()
{
    byte me = WRITER;
    byte sent, seen;
    bit armed;

    do
    :: sent == RECORDS -> break
    :: else ->
#ifdef LOOK_BEFORE_ARM
        do
        :: has_room -> break
        :: else -> arm(); armed = 1; sleep()
        od;
#else
        do
        :: has_room -> break
        :: else ->
            arm();
            armed = 1;
            if
            :: has_room -> break
            :: else -> sleep()
            fi
        od;
#endif
        if
        :: armed -> store(WANT, 0); armed = 0
        :: else
        fi;
        sent++;
        store(INDEX, sent);
        ring()
    od
}

active proctype reader()
{
    byte me = READER;
    byte sent, seen; /* as many were taken */
    bit armed;

    do
    :: sent == RECORDS -> break
    :: else ->
        do
        :: index[WRITER] > sent -> break
        :: else ->
            arm();
            armed = 1;
            if
            :: index[WRITER] > sent -> break
            :: else -> sleep()
            fi
        od;
        if
        :: armed -> store(WANT, 0); armed = 0
        :: else
        fi;
        sent++;
        store(INDEX, sent);
        ring()
    od
}
