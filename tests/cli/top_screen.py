#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays a terminal of the kind vt100 for `windpipe top`: reads what it paints,
changes the size, presses q. There are the pipes busy (a client) and idle.

Usage: top_screen.py WINDPIPE
Exit status 77: it was built without ncurses.
"""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 20
CODE = re.compile(rb"\x1b(?:\[([?0-9;]*)([A-Za-z])|[()][A-Z0-9]|[=>78MDE])")


class Screen:
    """As much of a vt100 as ncurses uses."""

    def __init__(self, fd, rows, columns):
        self.fd = fd
        self.rest = b""
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.widest = 0
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def put(self, character):
        if self.row < self.rows and self.column < self.columns:
            self.cells[self.row][self.column] = character
        self.column += 1
        self.widest = max(self.widest, self.column)

    def control(self, byte):
        if byte == 13:
            self.column = 0
        elif byte == 10:
            self.row += 1
        elif byte == 8:
            self.column = max(0, min(self.column, self.columns) - 1)
        elif byte == 9:
            self.column = (self.column // 8 + 1) * 8

    def code(self, parameters, letter):
        numbers = [int(n or 0) for n in parameters.strip("?").split(";")]
        first = numbers[0]
        if letter == "H":
            self.row = max(first, 1) - 1
            self.column = max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif letter in "ABCD":
            step = max(first, 1)
            self.row += {"A": -step, "B": step}.get(letter, 0)
            self.column += {"C": step, "D": -step}.get(letter, 0)
        elif letter == "K":
            for i in range(0 if first else self.column,
                           self.column + 1 if first == 1 else self.columns):
                self.cells[self.row][i] = " "
        elif letter == "J":
            for i in range(0 if first else self.row + 1, self.rows):
                self.cells[i] = [" "] * self.columns
            if not first:
                self.code("0", "K")

    def feed(self, data):
        data = self.rest + data
        self.rest = b""
        while data:
            match = CODE.match(data)
            if match:
                data = data[match.end():]
                if match.group(2):
                    self.code(match.group(1).decode(), match.group(2).decode())
            elif data[0] == 27:
                self.rest = data  # the end of it has not come yet
                return
            else:
                if data[0] < 32:
                    self.control(data[0])
                else:
                    self.put(chr(data[0]))
                data = data[1:]

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]

    def until(self, *patterns):
        """Read until each pattern is in a line of its own."""
        end = time.monotonic() + PATIENCE
        while True:
            lines = self.lines()
            if all(any(re.search(p, line) for line in lines)
                   for p in patterns):
                return lines
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit("no %r in\n%s" % (patterns, "\n".join(lines)))
            try:
                self.feed(os.read(self.fd, 65536))
            except OSError:
                if any("without ncurses" in line for line in lines):
                    sys.exit(77)
                raise SystemExit("top has ended:\n" + "\n".join(lines))


def main(windpipe):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", LC_ALL="C.UTF-8")
        os.execv(windpipe, [windpipe, "top", "--interval", "0.1"])
    before = termios.tcgetattr(fd)
    screen = Screen(fd, 24, 80)
    lines = screen.until(
        r"^windpipe top: 2 pipes, 1 clients, \d+ messages/s, .* \d\d:\d\d:\d\d$",
        r"^NAME +CLIENTS +MSG/S +BYTES/S +QUEUED +REFUSED +LINK$",
        r"^busy +1 +\d+ +\S+ \w+ +0 B +0  (socket|shared)$",
        r"^idle +0 +0 +0 B +0 B +0  -$", r"^q quits$")
    assert max(map(len, lines)) <= 80, lines
    screen.resize(5, 60)
    lines = screen.until(r"^NAME +CLIENTS +MSG/S", r"^busy", r"^1 more; q quits$")
    assert not any(line.startswith("idle") for line in lines), lines
    assert screen.widest <= 60, screen.widest
    screen.resize(24, 132)
    screen.until(r"^idle {80,}0 ")
    os.write(fd, b"xq")
    end = time.monotonic() + PATIENCE
    ended, status = 0, None
    while not ended and time.monotonic() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                os.read(fd, 65536)
            except OSError:
                pass
        ended, status = os.waitpid(pid, os.WNOHANG)
    assert ended and status == 0, status
    after = termios.tcgetattr(fd)
    assert before[3] & termios.ECHO == after[3] & termios.ECHO, "no echo"


if __name__ == "__main__":
    main(*sys.argv[1:])
