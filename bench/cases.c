/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all cases: see cases.h.
 */
#include "cases.h"

#include <string.h>
#include <windpipe.h>

#define NO_SPIN WPIPE_SPIN_OFF

/* Traffic between two ends. Designated fields may follow a macro. */
#define ROUND_TRIP(place, size)                                    \
    .run = pair_run, .ours = PEER_WINDPIPE, .slice.bytes = (size), \
    .slice.traffic = TRAFFIC_ROUND_TRIP, .slice.placement = PLACE_##place
#define ONE_WAY(place, size) ONE_WAY_OF(WINDPIPE, place, size)
#define ONE_WAY_OF(peer, place, size)                            \
    .run = pair_run, .ours = PEER_##peer, .slice.bytes = (size), \
    .slice.traffic = TRAFFIC_ONE_WAY, .slice.placement = PLACE_##place
#define CONNECT(place)                                         \
    .run = pair_run, .ours = PEER_WINDPIPE, .slice.bytes = 64, \
    .slice.traffic = TRAFFIC_CONNECT, .slice.placement = PLACE_##place

/* One server and many clients. */
#define FAN(flight) FAN_OF(WINDPIPE, flight)
#define FAN_OF(peer, flight)                                     \
    .run = pair_run, .ours = PEER_##peer, .slice.bytes = 64,     \
    .slice.traffic = TRAFFIC_FAN, .slice.placement = PLACE_NONE, \
    .slice.clients = 8, .slice.window = (flight)
#define BROADCAST(flight)                                              \
    .run = pair_run, .ours = PEER_WINDPIPE, .slice.bytes = 1024,       \
    .slice.traffic = TRAFFIC_BROADCAST, .slice.placement = PLACE_NONE, \
    .slice.clients = 100, .slice.window = (flight)
#define CROWD(many)                                             \
    .run = crowd_run, .ours = PEER_WINDPIPE, .slice.bytes = 64, \
    .slice.placement = PLACE_NONE, .slice.clients = (many)

/* Beside others who are busy. `word` is load_name's. */
#define LOADED_TRIP(load_kind, size, place)                        \
    .run = loaded_run, .ours = PEER_WINDPIPE, .load = (load_kind), \
    .slice.bytes = (size), .slice.traffic = TRAFFIC_ROUND_TRIP,    \
    .slice.placement = PLACE_##place, .few = 1,                    \
    .targets = { COST(SOCKET, 1.2), LATE(SOCKET, 2) }
#define LOADED_WAY(load_kind, size, place)                         \
    .run = loaded_run, .ours = PEER_WINDPIPE, .load = (load_kind), \
    .slice.bytes = (size), .slice.traffic = TRAFFIC_ONE_WAY,       \
    .slice.placement = PLACE_##place, .few = 1,                    \
    .targets = { GAIN(SOCKET, 0.85) }
#define LOADED_FAN(load_kind)                                             \
    .run = loaded_run, .ours = PEER_WINDPIPE, .load = (load_kind),        \
    .slice.bytes = 64, .slice.traffic = TRAFFIC_FAN,                      \
    .slice.placement = PLACE_NONE, .slice.clients = 8, .slice.window = 1, \
    .few = 1, .targets = { GAIN(SOCKET, 0.85), LATE(SOCKET, 2) }
#define LOADED(word, kind)                                                    \
    { .name = "loaded-" word "-rtt-64-split", LOADED_TRIP(kind, 64, SPLIT) }, \
        { .name = "loaded-" word "-rtt-64-unpinned",                          \
          LOADED_TRIP(kind, 64, NONE) },                                      \
        { .name = "loaded-" word "-rtt-1k-split",                             \
          LOADED_TRIP(kind, 1024, SPLIT) },                                   \
        { .name = "loaded-" word "-rtt-1k-unpinned",                          \
          LOADED_TRIP(kind, 1024, NONE) },                                    \
        { .name = "loaded-" word "-oneway-64-split",                          \
          LOADED_WAY(kind, 64, SPLIT) },                                      \
        { .name = "loaded-" word "-oneway-64-unpinned",                       \
          LOADED_WAY(kind, 64, NONE) },                                       \
        { .name = "loaded-" word "-oneway-64k-split",                         \
          LOADED_WAY(kind, 65536, SPLIT) },                                   \
        { .name = "loaded-" word "-oneway-64k-unpinned",                      \
          LOADED_WAY(kind, 65536, NONE) },                                    \
    {                                                                         \
        .name = "loaded-" word "-8-clients", LOADED_FAN(kind)                 \
    }

#define UNJUDGED .unjudged = 1
#define GAIN(peer, least)                                             \
    {                                                                 \
        .against = PEER_##peer, .judge = JUDGE_GAIN, .limit = (least) \
    }
#define COST(peer, most)                                             \
    {                                                                \
        .against = PEER_##peer, .judge = JUDGE_COST, .limit = (most) \
    }
#define LATE(peer, most)                                              \
    {                                                                 \
        .against = PEER_##peer, .judge = JUDGE_COST, .limit = (most), \
        .field = FIELD_99                                             \
    }
#define SHOWN(peer)            \
    {                          \
        .against = PEER_##peer \
    }

const struct bench_case bench_cases[] = {
    { .name = "rtt-64-split",
      ROUND_TRIP(SPLIT, 64),
      .targets = { GAIN(SOCKET, 100), GAIN(NNG, 300), COST(CONTROL, 1.5) } },
    { .name = "rtt-64-one-cpu",
      ROUND_TRIP(SAME, 64),
      .targets = { GAIN(SOCKET, 2) } },
    { .name = "rtt-64-split-nospin",
      ROUND_TRIP(SPLIT, 64),
      .slice.spin_us = NO_SPIN,
      .targets = { COST(SOCKET, 1.1) } },
    { .name = "rtt-64-one-cpu-nospin",
      ROUND_TRIP(SAME, 64),
      .slice.spin_us = NO_SPIN,
      .targets = { COST(SOCKET, 1.1) } },
    { .name = "rtt-64-unpinned",
      ROUND_TRIP(NONE, 64),
      .targets = { GAIN(SOCKET, 2) } },
    { .name = "rtt-1k-split",
      ROUND_TRIP(SPLIT, 1024),
      .targets = { GAIN(SOCKET, 100) } },
    { .name = "rtt-1k-one-cpu", ROUND_TRIP(SAME, 1024), UNJUDGED },
    { .name = "rtt-1k-unpinned",
      ROUND_TRIP(NONE, 1024),
      .targets = { GAIN(SOCKET, 2) } },
    { .name = "rtt-64-work-200us",
      ROUND_TRIP(SPLIT, 64),
      .slice.work_us = 200,
      .targets = { SHOWN(SOCKET) },
      .few = 1,
      UNJUDGED },

    { .name = "oneway-64-split",
      ONE_WAY(SPLIT, 64),
      .targets = { { .against = PEER_SOCKET,
                     .judge = JUDGE_GAIN,
                     .limit = 40,
                     .stretch = 100 },
                   GAIN(ZEROMQ, 8),
                   GAIN(CONTROL, 0.4),
                   { .against = PEER_SOCKET,
                     .judge = JUDGE_GAIN,
                     .field = FIELD_CPU,
                     .limit = 30 } } },
    { .name = "oneway-64-server",
      ONE_WAY_OF(SERVER, SPLIT, 64),
      .targets = { SHOWN(SOCKET) },
      UNJUDGED },
    { .name = "oneway-1k-split",
      ONE_WAY(SPLIT, 1024),
      .targets = { GAIN(SOCKET, 12), GAIN(CONTROL, 0.7) } },
    { .name = "oneway-16k-split",
      ONE_WAY(SPLIT, 16384),
      .targets = { GAIN(SOCKET, 4), GAIN(CONTROL, 0.7) } },
    { .name = "oneway-64k-split",
      ONE_WAY(SPLIT, 65536),
      .targets = { GAIN(SOCKET, 5), GAIN(CONTROL, 0.7) } },
    { .name = "oneway-1m-split",
      ONE_WAY(SPLIT, 1048576),
      .targets = { { .against = PEER_SOCKET,
                     .judge = JUDGE_GAIN,
                     .limit = 2,
                     .stretch = 3 } } },
    { .name = "oneway-64k-inplace",
      ONE_WAY_OF(INPLACE, SPLIT, 65536),
      .targets = { SHOWN(BUFFERS) },
      UNJUDGED },
    { .name = "oneway-1m-inplace",
      ONE_WAY_OF(INPLACE, SPLIT, 1048576),
      .targets = { GAIN(BUFFERS, 1) } },
    { .name = "oneway-1m-inplace-scan",
      ONE_WAY_OF(SCAN, SPLIT, 1048576),
      .targets = { SHOWN(BUFFERS) },
      .few = 1,
      UNJUDGED },
    { .name = "oneway-64-nospin",
      ONE_WAY(SPLIT, 64),
      .slice.spin_us = NO_SPIN,
      UNJUDGED },
    { .name = "oneway-64-one-cpu", ONE_WAY(SAME, 64), UNJUDGED },
    { .name = "oneway-64-unpinned",
      ONE_WAY(NONE, 64),
      .targets = { GAIN(SOCKET, 10) } },
    { .name = "oneway-64k-nospin",
      ONE_WAY(SPLIT, 65536),
      .slice.spin_us = NO_SPIN,
      UNJUDGED },
    { .name = "oneway-64k-unpinned",
      ONE_WAY(NONE, 65536),
      .targets = { GAIN(SOCKET, 1) } },
    { .name = "oneway-64-work-200us",
      ONE_WAY(SPLIT, 64),
      .slice.work_us = 200,
      .targets = { SHOWN(SOCKET) },
      .few = 1,
      UNJUDGED },

    { .name = "connect-split",
      CONNECT(SPLIT),
      .targets = { GAIN(SOCKET, 0.5) } },
    { .name = "connect-one-cpu", CONNECT(SAME), UNJUDGED },
    { .name = "fanin-8-w1",
      FAN(1),
      .targets = { GAIN(SOCKET, 10),
                   GAIN(ZEROMQ, 10),
                   { .judge = JUDGE_LEAST,
                     .field = FIELD_FAIRNESS,
                     .limit = 0.5 } } },
    { .name = "fanin-8-w32",
      FAN(32),
      .targets = { GAIN(SOCKET, 10), GAIN(ZEROMQ, 10) } },
    { .name = "fanin-8-w1-nospin", FAN(1), .slice.spin_us = NO_SPIN, UNJUDGED },
    { .name = "fanin-8-w32-nospin",
      FAN(32),
      .slice.spin_us = NO_SPIN,
      UNJUDGED },
    { .name = "fanin-8-w32-2threads",
      FAN_OF(TWO_THREADS, 32),
      .targets = { SHOWN(ONE_THREAD), SHOWN(SOCKET_THREADS) },
      .few = 1,
      UNJUDGED },
    { .name = "fanin-8-w1-work-20us",
      FAN_OF(TWO_THREADS, 1),
      .slice.work_us = 20,
      .targets = { SHOWN(ONE_THREAD), SHOWN(SOCKET), SHOWN(SOCKET_THREADS) },
      .few = 1,
      UNJUDGED },
    { .name = "fanin-8-w1-work-20us-nospin",
      FAN_OF(TWO_THREADS, 1),
      .slice.work_us = 20,
      .slice.spin_us = NO_SPIN,
      .targets = { SHOWN(ONE_THREAD), SHOWN(SOCKET), SHOWN(SOCKET_THREADS) },
      .few = 1,
      UNJUDGED },
    { .name = "broadcast-1k-100",
      BROADCAST(64),
      .targets = { GAIN(ZEROMQ, 1),
                   { .against = PEER_ZEROMQ,
                     .judge = JUDGE_GAIN,
                     .field = FIELD_WORST,
                     .limit = 0.7 },
                   SHOWN(SOCKET) } },
    { .name = "broadcast-1k-100-nospin",
      BROADCAST(64),
      .slice.spin_us = NO_SPIN,
      UNJUDGED },
    LOADED("2+2", LOAD_2_2),
    LOADED("4+8", LOAD_4_8),
    LOADED("8+8", LOAD_8_8),
    LOADED("storm", LOAD_STORM),
    { .name = "crowd-100", CROWD(100), UNJUDGED },
    { .name = "crowd-1k", CROWD(1000), UNJUDGED },
    { .name = "crowd-10k", CROWD(10000), .targets = { SHOWN(SOCKET) } },
    { .name = "kill", .run = kill_run, .ours = PEER_WINDPIPE },
    { .name = "restart", .run = restart_run, .ours = PEER_WINDPIPE },
};

const int bench_case_count = sizeof(bench_cases) / sizeof(bench_cases[0]);

/* One of each kind of traffic, load and placement, two where it went wrong. */
static const char *const loaded_in_check[] = {
    "loaded-2+2-rtt-1k-split",         "loaded-4+8-rtt-1k-unpinned",
    "loaded-8+8-rtt-64-unpinned",      "loaded-storm-rtt-64-split",
    "loaded-4+8-oneway-64-unpinned",   "loaded-2+2-oneway-64k-split",
    "loaded-storm-oneway-64-unpinned", "loaded-4+8-8-clients",
};

int case_in_check(const struct bench_case *self)
{
    size_t count = sizeof(loaded_in_check) / sizeof(loaded_in_check[0]);

    if (self->unjudged || self->load == LOAD_NONE)
        return !self->unjudged;
    for (size_t i = 0; i < count; i++)
        if (strcmp(loaded_in_check[i], self->name) == 0)
            return 1;
    return 0;
}
