#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Python side of the echo tests: plain sockets with every framing, and
multiprocessing.connection, which puts a big-endian length before each message.

Usage: peer.py server|client PATH FRAMING|multiprocessing
A server serves one client. A client sends messages and expects them back.
"""
import os
import socket
import struct
import sys
from multiprocessing.connection import Client, Listener

SIZES = [1, 2, 100, 255, 256, 65535, 65536, 300000]
LENGTHS = {"le32": "<I", "be32": ">I", "type-le32": "<I"}


def take(stream, size):
    """Exactly so many bytes; None at the end of the stream."""
    data = stream.read(size)
    if data and len(data) < size:
        raise EOFError("the end in the middle of a message")
    return data or (None if size else b"")


def read_headers(stream):
    size = None
    while True:
        line = stream.readline()
        if not line:
            return None
        if line == b"\r\n":
            return take(stream, size)
        name, value = line.split(b":")
        if name.lower() == b"content-length":
            size = int(value)


def read_message(stream, framing):
    """None at the end."""
    if framing == "raw":
        return stream.read1(65536) or None
    if framing == "lines":
        line = stream.readline()
        return line.rstrip(b"\r\n") if line else None
    if framing == "headers":
        return read_headers(stream)
    kind = b""
    if framing == "type-le32":
        kind = take(stream, 1)
        if kind is None:
            return None
    head = take(stream, 4)
    if head is None:
        return None
    return kind + take(stream, struct.unpack(LENGTHS[framing], head)[0])


def framed(message, framing):
    if framing == "raw":
        return message
    if framing == "lines":
        return message + b"\n"
    if framing == "headers":
        return b"Content-Length: %d\r\n\r\n%s" % (len(message), message)
    kind = b""
    if framing == "type-le32":
        kind, message = message[:1], message[1:]
    return kind + struct.pack(LENGTHS[framing], len(message)) + message


def content(size):
    return bytes(32 + (i * 11 + size) % 90 for i in range(size))


def talk(stream, framing):
    for size in SIZES:
        message = content(size)
        stream.write(framed(message, framing))
        stream.flush()
        back = read_message(stream, framing)
        while framing == "raw" and len(back) < size:
            back += stream.read(size - len(back))
        if back != message:
            sys.exit("%d bytes came back wrong" % size)


def listen(path):
    """Complete when it appears: somebody may wait for it."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(path + ".new")
    door.listen()
    os.rename(path + ".new", path)
    return door


def main(role, path, framing):
    if framing == "multiprocessing":
        if role == "server":
            with Listener(path, "AF_UNIX") as door, door.accept() as end:
                try:
                    while True:
                        end.send_bytes(end.recv_bytes())
                except EOFError:
                    return
        with Client(path, "AF_UNIX") as end:
            for size in SIZES:
                end.send_bytes(content(size))
                if end.recv_bytes() != content(size):
                    sys.exit("%d bytes came back wrong" % size)
        return
    if role == "server":
        with listen(path) as door, door.accept()[0] as end:
            with end.makefile("rwb") as stream:
                while (message := read_message(stream, framing)) is not None:
                    stream.write(framed(message, framing))
                    stream.flush()
        return
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(path)
        with end.makefile("rwb") as stream:
            talk(stream, framing)


if __name__ == "__main__":
    main(*sys.argv[1:])
