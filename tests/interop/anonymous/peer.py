#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A child as a Python programmer writes it: peer.c tells the scenarios.

Usage: peer.py child SCENARIO IN OUT
"""
import fcntl
import os
import signal
import struct
import sys

BIG = 1 << 20
F_GETPIPE_SZ = 1032  # fcntl has it since 3.10


def read_exactly(fd, size):
    data = b""
    while len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            sys.exit("peer.py: the end came after %d bytes" % len(data))
        data += part
    return data


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def read_message(fd):
    return read_exactly(fd, struct.unpack("<I", read_exactly(fd, 4))[0])


def write_message(fd, message):
    write_all(fd, struct.pack("<I", len(message)) + message)


def child(scenario, source, target):
    if scenario == "hundred":
        os.write(target, bytes([os.read(source, 1)[0] * 2]))
    elif scenario == "child-closes":
        os.write(target, b"\1\2\3\4\5")
    elif scenario == "parent-closes":
        count = 0
        while os.read(source, 1):
            count += 1
        os.write(target, bytes([count]))
    elif scenario == "big":
        write_all(target, struct.pack("<I", sum(read_exactly(source, BIG))))
    elif scenario == "framed":
        assert read_message(source) == b"Hello"
        write_message(target, b"Hello right back!")
        write_message(target, read_message(source))
    elif scenario == "size":
        size = fcntl.fcntl(source, F_GETPIPE_SZ)
        write_all(target, struct.pack("<I", size))
    elif scenario == "broken":
        os.close(source)
        os.write(target, b"!")
    else:
        sys.exit("peer.py: no scenario " + scenario)


signal.alarm(20)
child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
