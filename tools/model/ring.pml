/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads of the peer ring for one want word: one that writes (DATA) and
 * one that reads (ROOM). Either may be held up between any two of its steps.
 * The waiter waits for both in turn, takes bells off, and arms anew.
 *
 * Shown: the waiter gets all that was done for it, and no more bells come than
 * it has published epochs: an end that rings more is cut off for it.
 */
#ifndef MOVES
#define MOVES 2 /* of each thread */
#endif

byte moved[2]; /* the index of each thread */
byte wants;    /* the want word: a bit for each kind ... */
byte epoch;    /* ... and its epoch: one word, stored at once */
byte rung;
byte bells;
byte heard;

proctype ringer(bit kind)
{
    byte seen, before;

    do
    :: moved[kind] == MOVES -> break
    :: else ->
        moved[kind]++;
        /* the fence is the business of arm.pml */
        if
        :: atomic { (wants & (1 << kind)) != 0 -> seen = epoch }
#ifdef RUNG_STORE
           if
           :: rung < seen -> rung = seen; bells++; heard++; assert(heard <= epoch)
           :: else
           fi
#else
           if
           :: atomic { rung < seen -> rung = seen } /* compare and swap */
              bells++; heard++; assert(heard <= epoch)
           :: else
           fi
#endif
        :: else
        fi;
        seen = 0
    od
}

active proctype waiter()
{
    byte got[2];
    bit first; /* which kind it looks at first */

    run ringer(0);
    run ringer(1);
    do
    :: got[0] == MOVES && got[1] == MOVES -> break
    :: else ->
        d_step {
            epoch++;
            wants = (got[0] < MOVES) + 2 * (got[1] < MOVES)
        }
        assert(epoch < 40);
        if
        :: moved[first] > got[first] -> got[first] = moved[first]
        :: else ->
            first = 1 - first;
            if
            :: moved[first] > got[first] -> got[first] = moved[first]
            :: else -> atomic { bells > 0 -> bells = 0 }
            fi
        fi
    od
}
