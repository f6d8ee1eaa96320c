#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Round trips of 64 bytes between two processes: windpipe, the connections of
multiprocessing, a raw socket; in turn, and the middle of several rounds.

    PYTHONPATH=... round_trips.py [SECONDS]
"""
import multiprocessing.connection
import os
import socket
import statistics
import sys
import tempfile
import time

import windpipe

DATA = b"x" * 64
ROUNDS = 5


def windpipe_echo(name):
    with windpipe.Listener(name, type=windpipe.Type.MESSAGE) as listener:
        with listener.accept() as s:
            buffer = bytearray(64)
            while True:
                try:
                    s.readinto(buffer)
                except EOFError:
                    return
                s.write(buffer)


def windpipe_ask(name):
    stream = windpipe.Stream(name, 10, type=windpipe.Type.MESSAGE)
    buffer = bytearray(64)

    def trip():
        stream.write(DATA)
        stream.readinto(buffer)
    return trip, stream.close


def multiprocessing_echo(name):
    with multiprocessing.connection.Listener(name + ".mp", "AF_UNIX") as lis:
        with lis.accept() as c:
            while True:
                try:
                    c.send_bytes(c.recv_bytes())
                except EOFError:
                    return


def retry(function):
    for _ in range(1000):
        try:
            return function()
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    raise TimeoutError


def multiprocessing_ask(name):
    c = retry(lambda: multiprocessing.connection.Client(name + ".mp",
                                                        "AF_UNIX"))

    def trip():
        c.send_bytes(DATA)
        c.recv_bytes()
    return trip, c.close


def socket_echo(name):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name + ".sock")
        listener.listen()
        c = listener.accept()[0]
        with c:
            while True:
                data = c.recv(64)
                if not data:
                    return
                c.sendall(data)


def socket_ask(name):
    c = socket.socket(socket.AF_UNIX)
    retry(lambda: c.connect(name + ".sock"))

    def trip():
        c.sendall(DATA)
        c.recv(64)
    return trip, c.close


def measure(echo, ask, name, seconds):
    """Microseconds of a round trip."""
    child = os.fork()
    if child == 0:
        try:
            echo(name)
        finally:
            os._exit(0)
    trip, close = ask(name)
    for _ in range(200):
        trip()
    count = 0
    begin = time.perf_counter()
    end = begin + seconds
    while time.perf_counter() < end:
        for _ in range(50):
            trip()
        count += 50
    took = time.perf_counter() - begin
    close()
    os.waitpid(child, 0)
    return took / count * 1e6


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    cases = {"windpipe": (windpipe_echo, windpipe_ask),
             "multiprocessing": (multiprocessing_echo, multiprocessing_ask),
             "socket": (socket_echo, socket_ask)}
    times = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as directory:
        os.environ["WINDPIPE_DIR"] = directory
        os.chmod(directory, 0o700)
        for n in range(ROUNDS):
            for name, (echo, ask) in cases.items():
                place = "bench" + str(n)
                if name != "windpipe":
                    place = os.path.join(directory, place)
                times[name].append(measure(echo, ask, place, seconds))
    middle = {name: statistics.median(t) for name, t in times.items()}
    for name, us in middle.items():
        print("%-16s %8.2f us   %5.1fx" % (name, us, us / middle["windpipe"]))


main()
