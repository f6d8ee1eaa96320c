#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sum up the figures of one run of windpipe-bench as a table in Markdown.

Usage: bench/summary.py FIGURES.json

Ours, the yardstick (AF_UNIX), and the best of all others with its name.
"""
import json
import sys

OURS = "windpipe"
YARDSTICK = "socket"
# Ours by other interfaces, other forms of the yardstick, controls.
ASIDE = ("windpipe-inplace", "windpipe-scan", "windpipe-server",
         "socket-plain", "socket-threads", "control", "two-buffers",
         "machine")

# What, case, unit, percentile, is less better, is it shown in bytes.
ROWS = (
    ("round trip, 64 bytes, two cores", "rtt-64-split", "us", 50, 1, 0),
    ("the same, 99.9 of 100", "rtt-64-split", "us", 99.9, 1, 0),
    ("the same on one core", "rtt-64-one-cpu", "us", 50, 1, 0),
    ("the same, two cores, nobody spins", "rtt-64-split-nospin", "us", 50,
     1, 0),
    ("one way, 64 bytes", "oneway-64-split", "messages/s", None, 0, 0),
    ("one way, 1 KiB", "oneway-1k-split", "messages/s", None, 0, 0),
    ("one way, 64 KiB", "oneway-64k-split", "messages/s", None, 0, 1),
    ("one way, 1 MiB", "oneway-1m-split", "messages/s", None, 0, 1),
    ("processor time, 10^6 messages of 64 bytes", "oneway-64-split",
     "cpu-s/million", None, 1, 0),
    ("8 clients, 1 echo in flight each", "fanin-8-w1", "echoes/s", None, 0,
     0),
    ("8 clients, 32 in flight each", "fanin-8-w32", "echoes/s", None, 0, 0),
    ("1 KiB to each of 100 clients", "broadcast-1k-100", "deliveries/s",
     None, 0, 0),
    ("connect, one message, close", "connect-split", "connections/s", None,
     0, 0),
    ("10,000 clients connect", "crowd-10k-connect", "ms", None, 1, 0),
    ("memory of the server for each, idle", "crowd-10k-memory-idle", "KiB",
     None, 1, 0),
    ("the same, in shared memory", "crowd-10k-memory-moved", "KiB", None, 1,
     0),
)


def short(value, unit):
    """Three digits, a letter for large numbers, and the unit."""
    unit = {"messages/s": "/s", "echoes/s": "/s", "deliveries/s": "/s",
            "connections/s": "/s", "cpu-s/million": "s"}.get(unit, unit)
    mark = ""
    for mark in ("", "k", "M", "G"):
        if value < 999.5:
            break
        value /= 1000
    if value >= 99.5:
        digits = 0
    else:
        digits = 1 if value >= 9.95 else 2
    return "%.*f %s%s" % (digits, value, mark, unit)


def value_of(figures, library, row):
    _, case, unit, percentile, _, _ = row
    for figure in figures:
        if (figure["library"] == library and figure["case"] == case
                and figure["unit"] == unit
                and (percentile is None
                     or figure["percentile"] == percentile)):
            return figure["value"], figure["bytes"]
    return None


def cell(found, row):
    if found is None:
        return "-"
    value, size = found
    if row[5]:
        return "%.3g GB/s" % (value * size / 1e9)
    return short(value, row[2])


def ratio(ours, theirs, row):
    """How many times better ours is."""
    if ours is None or theirs is None or row[2] == "KiB":
        return ""
    if not ours[0] or not theirs[0]:
        return ""
    times = theirs[0] / ours[0] if row[4] else ours[0] / theirs[0]
    digits = 0 if times >= 99.5 else 1 if times >= 9.95 else 2
    return " (%.*fx)" % (digits, times)


def best_of(figures, row):
    libraries = sorted({figure["library"] for figure in figures
                        if "/" not in figure["library"]})
    best = None
    for library in libraries:
        if library in ASIDE or library in (OURS, YARDSTICK):
            continue
        found = value_of(figures, library, row)
        if found is None:
            continue
        if best is None or (found[0] < best[1][0]) == bool(row[4]):
            best = (library, found)
    return best


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        figures = [json.loads(line) for line in file if line.startswith("{")]
    figures = [figure for figure in figures if figure["value"] is not None]
    print("| | windpipe | AF_UNIX | best of the others |")
    print("|---|---:|---:|---:|")
    for row in ROWS:
        ours = value_of(figures, OURS, row)
        if ours is None:
            continue
        theirs = value_of(figures, YARDSTICK, row)
        best = best_of(figures, row)
        other = "-"
        if best:
            other = "%s %s%s" % (best[0], cell(best[1], row),
                                 ratio(ours, best[1], row))
        print("| %s | %s | %s%s | %s |"
              % (row[0], cell(ours, row), cell(theirs, row),
                 ratio(ours, theirs, row), other))


if __name__ == "__main__":
    main()
