#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw the figures of one run of windpipe-bench.

Usage: bench/plots.py FIGURES.json DIRECTORY

Reads the lines that --json has written and has gnuplot draw latency.png,
throughput.png, crowd.png and many.png into the directory.
"""
import json
import math
import subprocess
import sys

# Ours stand out; everybody else has a colour of his own in all pictures.
STYLES = {
    "windpipe": "lc rgb '#c0392b' lw 3 pt 7",
    "windpipe-inplace": "lc rgb '#e67e22' lw 2 pt 5",
    "socket": "lc rgb '#2c3e50' lw 2 pt 9",
    "socket-threads": "lc rgb '#7f8c8d' lw 2 pt 10",
    "seqpacket": "lc rgb '#16a085' lw 1.5 pt 4",
    "fifo": "lc rgb '#8e44ad' lw 1.5 pt 6",
    "posix-mq": "lc rgb '#d4ac0d' lw 1.5 pt 8",
    "libuv": "lc rgb '#2980b9' lw 1.5 pt 12",
    "nng": "lc rgb '#27ae60' lw 1.5 pt 1",
    "zeromq": "lc rgb '#e84393' lw 1.5 pt 2",
    "nanomsg": "lc rgb '#795548' lw 1.5 pt 3",
}

HEAD = """set terminal pngcairo size {width},{height} font 'sans,9'
set output '{path}'
set grid lc rgb '#dddddd'
set key {key} samplen 2 spacing 0.9
set border 3
set tics nomirror
"""

# The second of two pictures side by side has the legend of both.
LEGEND = """set key outside right top samplen 2
set origin 0.42,0
set size 0.58,1
"""


def load(path):
    """The figures, as a list of dictionaries."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.startswith("{")]


def points(figures, library, key, **wanted):
    """(key, value) of the figures of a library that match, sorted."""
    found = []
    for figure in figures:
        if figure["library"] != library or figure["value"] is None:
            continue
        if all(figure.get(name) == value for name, value in wanted.items()):
            found.append((key(figure), figure["value"]))
    return sorted(found)


def lines(series):
    """A plot command and its inline data; `series` is name -> points."""
    data, parts = [], []
    for name, values in series.items():
        if not values:
            continue
        block = "$d%d" % len(data)
        rows = "\n".join("%.9g %.9g" % pair for pair in values)
        data.append("%s << EOD\n%s\nEOD\n" % (block, rows))
        parts.append("%s with linespoints ps 0.7 %s title '%s'"
                     % (block, STYLES[name], name))
    return "".join(data) + "plot " + ", ".join(parts) + "\n"


def head(path, width, height, key="outside right top"):
    return HEAD.format(path=path, width=width, height=height, key=key)


def nines(figure):
    """90 % is 1, 99 % is 2: the way to see a tail."""
    return -math.log10(1 - figure["percentile"] / 100)


def latency(figures, directory):
    """Time of a round trip by percentile, on two processors and on one."""
    text = head(directory + "/latency.png", 1000, 420)
    text += ("set multiplot layout 1,2\nset logscale y\n"
             "set ylabel 'round trip of 64 bytes, us'\n"
             "set xlabel 'percentile'\n"
             "set xtics ('50' 0.301, '90' 1, '99' 2, '99.9' 3,"
             " '99.99' 4)\nset key off\nset size 0.42,1\n")
    for case, title in (("rtt-64-split", "two processors"),
                        ("rtt-64-one-cpu", "one processor")):
        text += "set title '%s'\n" % title
        if title == "one processor":
            text += LEGEND
        text += lines({name: points(figures, name, nines, case=case, unit="us")
                       for name in STYLES})
    return text + "unset multiplot\n"


def throughput(figures, directory):
    """GB/s one way by size, copying; in place where it was measured."""
    def cases(figure):
        name = figure["case"]
        return name.startswith("oneway-") and name.endswith("-split")

    text = head(directory + "/throughput.png", 760, 460)
    text += ("set logscale xy\nset xlabel 'bytes in a message'\n"
             "set ylabel 'one way, two processors, GB/s'\n"
             "set xtics ('64' 64, '1 Ki' 1024, '16 Ki' 16384, '64 Ki' 65536,"
             " '1 Mi' 1048576)\n")
    series = {}
    for name in STYLES:
        found = points([f for f in figures if cases(f)], name,
                       lambda figure: figure["bytes"], unit="messages/s")
        if name == "windpipe-inplace":
            found = points(figures, name, lambda figure: figure["bytes"],
                           unit="messages/s", spin="default")
        series[name] = [(size, rate * size / 1e9) for size, rate in found]
    return text + lines(series)


def crowd(figures, directory):
    """What a server pays for its clients."""
    sizes = {"crowd-100": 100, "crowd-1k": 1000, "crowd-10k": 10000}
    text = head(directory + "/crowd.png", 1000, 420)
    text += ("set multiplot layout 1,2\nset logscale xy\n"
             "set xlabel 'clients'\nset xtics (100, 1000, 10000)\n"
             "set key off\nset size 0.42,1\n")
    for kind, label in (("memory-idle", "server memory of each, idle, KiB"),
                        ("connect", "all connect, ms")):
        if kind == "connect":
            text += LEGEND
        series = {}
        for name in STYLES:
            series[name] = []
            for case, count in sizes.items():
                for _, value in points(figures, name, lambda figure: 0,
                                       case="%s-%s" % (case, kind)):
                    if value > 0:
                        series[name].append((count, value))
        text += "set ylabel '%s'\n" % label + lines(series)
    return text + "unset multiplot\n"


def short(value):
    """3 digits and a letter, as in the table."""
    for mark in ("", "k", "M", "G"):
        if value < 999.5:
            return "%.3g %s" % (value, mark)
        value /= 1000
    return "%.3g T" % value


def many(figures, directory):
    """Bars: one server and several clients."""
    text = head(directory + "/many.png", 1000, 380, "off")
    text += ("set multiplot layout 1,3\nset style fill solid 0.8\n"
             "unset border\nunset grid\nunset xtics\n")
    for case, title in (("fanin-8-w1", "8 clients, 1 in flight: echoes/s"),
                        ("fanin-8-w32", "8 clients, 32 in flight: echoes/s"),
                        ("broadcast-1k-100",
                         "1 KiB to 100 clients: deliveries/s")):
        rows = []
        for name in reversed(list(STYLES)):
            for figure in figures:
                if (figure["library"] == name and figure["case"] == case
                        and figure["unit"] in ("echoes/s", "deliveries/s")):
                    rows.append((name, figure["value"]))
        if not rows:
            continue
        text += "set title '%s'\n$bars << EOD\n" % title
        for at, (name, value) in enumerate(rows):
            colour = STYLES[name].split("'")[1].replace("#", "0x")
            text += '%d %g "%s" %s "%s"\n' % (at, value, name, colour,
                                              short(value))
        text += "EOD\nset yrange [-0.6:%g]\n" % (len(rows) - 0.4)
        text += "set xrange [0:%g]\n" % (1.3 * max(v for _, v in rows))
        text += ("plot $bars using 2:1:(0):2:($1-0.35):($1+0.35):4:ytic(3) "
                 "with boxxyerror lc rgb variable notitle, "
                 "$bars using 2:1:5 with labels left offset 0.5,0 notitle\n")
    return text + "unset multiplot\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    figures = load(sys.argv[1])
    for draw in (latency, throughput, crowd, many):
        subprocess.run(["gnuplot"], input=draw(figures, sys.argv[2]),
                       text=True, check=True)


if __name__ == "__main__":
    main()
