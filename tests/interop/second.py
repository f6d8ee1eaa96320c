#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The connection dance of H.Pipes and named-pipe-wrapper on plain sockets.

The client connects to the well-known name, is told the name of a pipe of its
own, leaves, and connects there. The server closes the first socket before it
makes the second. A message is a big-endian length and its bytes; the name is
one, in UTF-8 (h-pipes) or as the .NET object of a string (wrapper).

Usage: second.py server|client NAME h-pipes|wrapper TIMES
"""
import os
import socket
import struct
import sys
import time
import uuid

MESSAGES = 150
OBJECT = bytes.fromhex("00 01000000 ffffffff 01000000 00000000 06 01000000")


def path_of(name):
    return (os.environ.get("TMPDIR") or "/tmp") + "/CoreFxPipe_" + name


def take(stream, size):
    data = stream.read(size)
    if data and len(data) < size:
        raise EOFError("the end in the middle of a message")
    return data


def read(stream):
    """None at the end."""
    head = take(stream, 4)
    return take(stream, struct.unpack(">i", head)[0]) if head else None


def write(stream, message):
    stream.write(struct.pack(">i", len(message)) + message)
    stream.flush()


def message(number):
    letters = chr(ord("a") + number % 26) * (number * number)
    return ('"%s%d"' % (letters, number)).encode()


def name_bytes(form, name):
    data = name.encode()
    if form == "wrapper":
        assert len(data) < 128
        return OBJECT + bytes([len(data)]) + data + b"\x0b"
    return data


def name_of(form, data):
    if form == "wrapper":
        assert data.startswith(OBJECT) and data[-1:] == b"\x0b", data
        data = data[len(OBJECT) + 1:-1]
    return data.decode()


def listen(name):
    """Complete when it appears: somebody may wait for it."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(path_of(name) + ".new")
    door.listen()
    os.rename(path_of(name) + ".new", path_of(name))
    return door


def accept(name):
    with listen(name) as door:
        end = door.accept()[0]
        os.unlink(path_of(name))
        return end


def connect(name):
    for _ in range(1000):
        end = socket.socket(socket.AF_UNIX)
        try:
            end.connect(path_of(name))
            return end
        except (FileNotFoundError, ConnectionRefusedError):
            end.close()
            time.sleep(0.01)
    sys.exit("nobody listens at " + path_of(name))


def serve(name, form):
    second = "%s_%s" % (name, uuid.uuid4())
    with accept(name) as end, end.makefile("rwb") as stream:
        write(stream, name_bytes(form, second))
    with accept(second) as end, end.makefile("rwb") as stream:
        while (data := read(stream)) is not None:
            write(stream, data)


def converse(name, form):
    with connect(name) as end, end.makefile("rwb") as stream:
        second = name_of(form, read(stream))
    with connect(second) as end, end.makefile("rwb") as stream:
        for number in range(MESSAGES):
            write(stream, message(number))
            if read(stream) != message(number):
                sys.exit("message %d is wrong" % number)


def main(role, name, form, times):
    for _ in range(int(times)):
        (serve if role == "server" else converse)(name, form)


if __name__ == "__main__":
    main(*sys.argv[1:])
