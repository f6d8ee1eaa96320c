#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second implementation of the wire, a client, written from docs/wire.md
alone: if the page and the library part ways, this notices. Talks to the echo
server at the door that is named, in both phases, and says what it did.

Usage: wire_peer.py DOOR
"""
import fcntl
import mmap
import os
import select
import socket
import struct
import sys

HELLO, VERDICT, WAIT, DATA, CREDIT, WANT, STATE = range(1, 8)
SWITCH, MOVED, STAY, FACTS = range(8, 12)
BELL = 0xbe
MAGIC = int.from_bytes(b"WINDPIPE", "little")
MORE, TOTAL, REQUEST, REPLY, ABORT, FIN, PAD = (1 << i for i in range(7))
GROWN, ALIGNED = 1 << 9, 1 << 10
CLOSED, DISCONNECTED, DROPPED = 1, 2, 3
WANT_DATA, WANT_ROOM, WANT_DRAINED = 1, 2, 4
GREETING = struct.Struct("<HHIIHHIIQQ")
CONTROL_MAGIC = 0x31305057
HEAD, TAIL, CONSUMED, WANTS, ENDED = 128, 256, 264, 384, 392
F_GET_SEALS = 1034
SEALS = 0x01 | 0x02 | 0x04 | 0x10  # seal, shrink, grow, future write


def up8(n):
    return (n + 7) & ~7


def gap(position, flags, extra):
    """Bytes between a record's words and its payload."""
    return -(position + 8 + extra) % 64 if flags & ALIGNED else 0


def charge(body):
    return max(1024, up8(8 + body))


def window(ring):
    return min(max(ring, 16384), 65536)


def extra_of(flags):
    return 8 * bool(flags & TOTAL) + 8 * bool(flags & (REQUEST | REPLY))


class Refused(Exception):
    pass


class Peer:
    def __init__(self, door, shared=True, kind=0, reads=2, ring=65536,
                 first=65536, aligns=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(door)
        self.partial = b""
        self.passed = []
        self.head = self.tail = self.consumed = 0
        self.their_tail = 0      # as told by frames
        self.told = 0
        self.received = 0
        self.queue = []
        self.epoch = self.bells = self.rung = 0
        self.out = self.inn = None  # segments: control words, first ring
        self.to = self.source = None  # (segment, ring size) now in use
        self.grown = None  # the same, of a later SWITCH, and its position
        self.first = first
        self.aligns = aligns  # every payload, not only the large ones
        self.start = 0
        self.moved = self.state = self.facts = None
        self.ring_in = self.ring_out = 0
        self.flags = 2 if shared else 0
        self.ring = ring
        self.terms = None
        self.frame(HELLO, MAGIC, GREETING.pack(
            1, 1, kind, self.flags, reads, 0, ring, ring, 16 << 20, 0))
        self.until(lambda: self.terms or self.facts is not None)

    # --- the socket ----------------------------------------------------------

    def frame(self, kind, value=0, body=b"", flags=0, descriptors=()):
        data = struct.pack("<BBHIQ", kind, 0, flags, len(body), value) + body
        if socket.send_fds(self.socket, [data], descriptors) != len(data):
            raise AssertionError("the socket takes no whole frame")

    def until(self, done):
        while not done():
            self.pump()

    def pump(self):
        data, passed, _, _ = socket.recv_fds(self.socket, 65536, 4)
        self.passed += passed
        if not data:
            raise Refused("the server left, state %s" % self.state)
        self.partial += data
        while self.partial:
            if self.partial[0] == BELL:
                self.partial = self.partial[1:]
                self.bells += 1
                assert self.bells <= self.epoch, "more bells than epochs"
                continue
            if len(self.partial) < 16:
                return
            kind, zero, flags, size, value = struct.unpack(
                "<BBHIQ", self.partial[:16])
            assert zero == 0 and (kind == DATA or flags == 0)
            if len(self.partial) < 16 + size:
                return
            body = self.partial[16:16 + size]
            self.partial = self.partial[16 + size:]
            self.act(kind, flags, value, body)

    def act(self, kind, flags, value, body):
        if kind == VERDICT:
            self.on_verdict(value, body)
        elif kind == FACTS:
            self.facts = body
        elif kind == DATA:
            assert self.moved is None
            self.received += charge(len(body))
            extra = extra_of(flags)
            self.queue.append((flags, body[:extra], body[extra:]))
            self.their_tail = value
        elif kind == CREDIT:
            self.their_tail = value
        elif kind == WANT:
            self.credit()
        elif kind == STATE:
            assert value in (CLOSED, DISCONNECTED, DROPPED)
            self.state = value
        elif kind == SWITCH:
            self.on_switch(value, body)
        elif kind == MOVED:
            assert value == self.received
            self.moved = value
        else:
            raise AssertionError("frame of type %d" % kind)

    def on_verdict(self, value, body):
        greeting = GREETING.unpack(body)
        assert value == MAGIC and greeting[:2] == (1, 1)
        if greeting[2] != 0:
            raise Refused("verdict %d" % greeting[2])
        self.terms = greeting
        self.ring_in = min(greeting[7], self.ring)
        self.ring_out = min(self.ring, greeting[6])
        room = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
        self.window = min(window(self.ring_out), room) - 2048

    def credit(self):
        self.frame(CREDIT, self.tail, struct.pack("<Q", self.consumed))
        self.told = self.tail

    # --- shared memory -------------------------------------------------------

    def on_switch(self, value, body):
        ring, size = struct.unpack("<II", body)
        assert size == ring + 4096
        descriptor = self.passed.pop(0)
        assert fcntl.fcntl(descriptor, F_GET_SEALS) & SEALS == SEALS
        facts = os.fstat(descriptor)
        assert facts.st_size == size and facts.st_blocks * 512 >= size
        segment = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
        os.close(descriptor)
        assert struct.unpack("<III", segment[:12]) == (CONTROL_MAGIC, 1, ring)
        if self.inn is not None:
            assert self.grown is None and ring == self.ring_in
            self.grown = segment, ring, value
            return
        assert 4096 <= ring <= self.ring_in and ring & (ring - 1) == 0
        self.inn = segment
        self.source = segment, ring
        if self.out is None:
            self.offer()
        self.frame(MOVED, self.head)
        self.start = self.head

    def offer(self):
        self.out = self.make_segment(min(self.first, self.ring_out), 0)

    def make_segment(self, ring, at):
        size = ring + 4096
        descriptor = os.memfd_create(
            "second", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.fchmod(descriptor, 0o400)
        os.posix_fallocate(descriptor, 0, size)
        segment = mmap.mmap(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
        struct.pack_into("<III", segment, 0, CONTROL_MAGIC, 1, ring)
        struct.pack_into("<Q", segment, HEAD, self.head)
        struct.pack_into("<QQ", segment, TAIL, self.tail, self.consumed)
        struct.pack_into("<Q", segment, WANTS, self.epoch << 8)
        self.frame(SWITCH, at, struct.pack("<II", ring, size),
                   descriptors=[descriptor])
        os.close(descriptor)
        self.to = segment, ring
        return segment

    def grow(self):
        segment, ring = self.to
        self.make_segment(self.ring_out, self.head + 8)
        struct.pack_into("<II", segment, 4096 + (self.head & (ring - 1)),
                         0, GROWN)
        self.head += 8
        self.put(HEAD, self.head)

    def put(self, at, value, kind="Q"):
        """One store. pack_into zeroes the place first, which the server sees."""
        words = memoryview(self.out).cast(kind)
        words[at // words.itemsize] = value

    def theirs(self, at):
        return struct.unpack_from("<Q", self.inn, at)[0]

    def shared(self):
        return self.inn is not None

    def tell(self):
        self.put(CONSUMED, self.consumed)
        self.put(TAIL, self.tail)

    def ring_for(self, what):
        """Wake the server, once for each of its sleeps. Python has no fence;
        a system call on either side of the look is as good on x86 and Arm."""
        select.select([], [], [], 0)
        want = self.theirs(WANTS)
        if want & what and want >> 8 != self.rung:
            self.rung = want >> 8
            self.socket.send(bytes([BELL]))

    def sleep(self, what, ready):
        while not ready():
            self.epoch += 1
            self.put(WANTS, self.epoch << 8 | what)
            select.select([], [], [], 0)
            if not ready():
                self.pump()
            self.put(WANTS, self.epoch << 8)

    # --- records out ---------------------------------------------------------

    def fragment(self):
        ring = min(self.ring_out // 4 - 64, 65536)
        return ring if self.shared() else min(ring, 16384)

    def put_framed(self, flags, body):
        """False when the phase ended meanwhile."""
        cost = charge(len(body))
        while self.head - self.their_tail + cost > self.window:
            before = self.their_tail
            self.epoch += 1
            self.frame(WANT, self.epoch << 8 | WANT_ROOM)
            self.until(lambda: self.their_tail != before or self.shared())
            if self.shared():
                return False
        self.frame(DATA, self.tail, body, flags)
        self.told = self.tail
        self.head += cost
        return True

    def put_shared(self, flags, size, body):
        extra = len(body) - size
        if self.aligns and size:
            flags |= ALIGNED

        def space(position):
            return up8(8 + len(body)) + gap(position, flags, extra)

        def pad():
            left = self.to[1] - (self.head & (self.to[1] - 1))
            return left if left < space(self.head) else 0

        def fits():
            unread = self.head - max(self.theirs(TAIL), self.start)
            need = pad() + space(self.head + pad())
            return unread + need + 16 <= self.to[1]

        if not fits() and self.to[1] < self.ring_out:
            self.grow()
        self.sleep(WANT_ROOM, fits)
        segment, ring = self.to
        if pad():
            rest = pad()
            struct.pack_into("<II", segment, 4096 + (self.head & (ring - 1)),
                             rest - 8, PAD)
            self.head += rest
        at = 4096 + (self.head & (ring - 1))
        segment[at + 8:at + 8 + extra] = body[:extra]
        payload = at + 8 + extra + gap(self.head, flags, extra)
        segment[payload:payload + size] = body[extra:]
        struct.pack_into("<II", segment, at, size, flags)
        self.head += space(self.head)
        self.put(HEAD, self.head)
        self.ring_for(WANT_DATA)

    def send(self, message, call=0, kind=REQUEST):
        at = 0
        while at == 0 or at < len(message):
            part = message[at:at + self.fragment()]
            flags, extra = 0, b""
            if at + len(part) < len(message):
                flags = MORE
                if at == 0:
                    flags |= TOTAL
                    extra = struct.pack("<Q", len(message))
            if call and at == 0:
                flags |= kind
                extra += struct.pack("<Q", call)
            if self.shared() or not self.put_framed(flags, extra + part):
                self.put_shared(flags, len(part), extra + part)
            at += max(len(part), 1)

    # --- records in ----------------------------------------------------------

    def next_framed(self):
        flags, extra, payload = self.queue.pop(0)
        self.tail += charge(len(extra) + len(payload))
        self.consumed += len(payload)
        if self.out is not None:
            self.tell()
        if self.tail - self.told >= window(self.ring_in) // 4:
            self.credit()
        return flags, extra, payload

    def next_shared(self):
        while True:
            self.sleep(WANT_DATA, lambda: self.theirs(HEAD) != self.tail)
            segment, ring = self.source
            at = 4096 + (self.tail & (ring - 1))
            size, flags = struct.unpack_from("<II", segment, at)
            extra = extra_of(flags)
            skipped = gap(self.tail, flags, extra)
            at += 8
            words = segment[at:at + extra]
            at += extra + skipped
            payload = segment[at:at + size]
            assert size or not flags & ALIGNED
            if size >= 2048 and not flags & PAD:
                assert at % 64 == 0, "windpipe aligns large payloads"
            self.tail += up8(8 + extra + size) + skipped
            flags &= ~ALIGNED
            if flags == GROWN:
                self.until(lambda: self.grown)
                assert size == 0 and self.grown[2] == self.tail
                assert self.source[1] < self.ring_in
                self.source = self.grown[:2]
            elif flags != PAD:
                break
        self.consumed += size
        self.tell()
        self.ring_for(WANT_ROOM | WANT_DRAINED)
        return flags, words, payload

    def receive(self):
        """(message, id of the call that it is or answers, or 0)"""
        message, total, call = b"", None, 0
        while True:
            self.until(lambda: self.queue or self.moved is not None)
            flags, words, payload = (self.next_framed() if self.queue
                                     else self.next_shared())
            assert not flags & (ABORT | FIN)
            if flags & TOTAL:
                total = struct.unpack("<Q", words[:8])[0]
            if flags & (REQUEST | REPLY):
                call = struct.unpack("<Q", words[-8:])[0]
            message += payload
            if not flags & MORE:
                assert total is None or total == len(message)
                return message, call

    def close(self, state=CLOSED):
        if self.out is not None:
            self.put(ENDED, state, "I")
        try:
            if not self.shared() or self.moved is None:
                self.credit()
                self.frame(STATE, state)
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            assert self.out is not None  # it has seen the word, and is gone
        self.socket.close()


# --- what is tried -----------------------------------------------------------

def pattern(size):
    return bytes((i * 7 + size) & 255 for i in range(size))


def echo(peer, sizes):
    for size in sizes:
        message = pattern(size)
        peer.send(message)
        assert peer.receive() == (message, 0), size


def moves_to_shared_memory(door, first=65536):
    peer = Peer(door, first=first)
    echo(peer, [0, 1, 1000])
    assert not peer.shared()
    echo(peer, [40000] * 4)
    echo(peer, list(range(0, 400, 13)) * 20)
    echo(peer, [200000, 1 << 20, 0, 3])
    assert peer.shared() and peer.moved is not None
    assert peer.to[1] == peer.ring_out and peer.source[1] == peer.ring_in
    peer.close()


def grows_a_small_ring(door):
    for first in (4096, 8192, 32768):
        moves_to_shared_memory(door, first)
    peer = Peer(door, first=4096)
    echo(peer, [100] * 200)
    assert peer.shared() and peer.to[1] == peer.source[1] == 4096
    peer.close()


def stays_on_its_socket(door):
    peer = Peer(door, shared=False)
    echo(peer, [10] * 300 + [0, 16384, 100000, 1 << 20])
    assert not peer.shared()
    peer.close()


def sends_ahead_of_the_reader(door):
    peer = Peer(door)
    for size in [3000] * 40:
        peer.send(pattern(size))
    for size in [3000] * 40:
        assert peer.receive() == (pattern(size), 0)
    peer.close()


def aligns_what_it_sends(door):
    for first in (4096, 65536):
        peer = Peer(door, first=first, aligns=True)
        echo(peer, [5000] * 20)
        echo(peer, list(range(0, 400, 13)) * 20)
        echo(peer, [2047, 2048, 2049, 16000, 200000, 1 << 20, 0, 3])
        peer.send(b"what?", 7)
        assert peer.receive() == (b"what?", 7)
        assert peer.shared()
        peer.close()


def gets_replies_to_calls(door):
    peer = Peer(door)
    for call in range(1, 60):
        peer.send(b"what?", call)
        assert peer.receive() == (b"what?", call)
    peer.send(pattern(200000), 1 << 40)
    assert peer.receive() == (pattern(200000), 1 << 40)
    peer.close()


def answers_calls(door):
    """The other way round: examples/calls_server asks its clients."""
    peer = Peer(door)
    for number in range(1, 30):
        peer.send(b"all together?", number)
        question, call = peer.receive()
        assert question == b"how many?" and call != 0
        peer.send(struct.pack("<q", 42), call, REPLY)
        peer.send(b"twice", call, REPLY)        # thrown away
        peer.send(b"to nothing", 1 << 50, REPLY)  # likewise
        assert peer.receive() == (struct.pack("<q", 42), number)
    peer.close()


def drops_what_it_accepted(door):
    for size, shared in ((10, False), (65536, True)):
        peer = Peer(door, shared=shared)
        echo(peer, [size] * 20)
        assert peer.shared() == shared
        peer.close(DROPPED)


def asks_for_facts(door):
    peer = Peer(door)
    asker = Peer(door, kind=1)
    version, each, kind, access, clients, most, total, refused = struct.unpack(
        "<IIIIIIQQ", asker.facts[:40])
    assert (version, each, kind, access) == (1, 96, 2, 0)
    assert clients == 1 and most == 65536 and total >= 1 and refused == 0
    assert len(asker.facts) == 40 + clients * each
    uid, _, pid = struct.unpack_from("<IIQ", asker.facts, 40 + 8)
    assert (uid, pid) == (os.geteuid(), os.getpid())
    peer.close()


def is_refused_what_does_not_fit(door):
    greeting = [1, 1, 0, 0, 2, 0, 65536, 65536, 1 << 20, 0]
    for field, value, verdict in ((0, 2, 4), (1, 9, None)):
        wanted = list(greeting)
        wanted[field] = value
        wanted[1] = max(wanted[0], wanted[1])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(door)
            client.send(struct.pack("<BBHIQ", HELLO, 0, 0, 40, MAGIC) +
                        GREETING.pack(*wanted))
            answer = client.recv(1000)
            assert answer[0] == VERDICT
            code = GREETING.unpack(answer[16:56])[2]
            assert code == (verdict or 0), (field, value, code)


def ends_alone_when_it_breaks_the_rules(door):
    good = Peer(door)
    wrong = [
        b"\xee" + bytes(15),                                    # no such type
        struct.pack("<BBHIQ", DATA, 1, 0, 0, 0),                # byte 1
        struct.pack("<BBHIQ", DATA, 0, 0, 1 << 30, 0),          # too large
        struct.pack("<BBHIQ", DATA, 0, MORE, 0, 0),             # rule 4
        struct.pack("<BBHIQ", DATA, 0, PAD, 0, 0),              # rule 5
        struct.pack("<BBHIQ", DATA, 0, 0, 0, 1 << 20),          # tail > head
        struct.pack("<BBHIQ", MOVED, 0, 0, 0, 0),               # no segment
        struct.pack("<BBHIQ", HELLO, 0, 0, 40, MAGIC) + bytes(40),
        bytes([BELL]) * 8,                                      # not asked for
        struct.pack("<BBHIQQ", DATA, 0, REPLY, 8, 0, 1),        # to no call
    ]
    for frame in wrong:
        bad = Peer(door)
        bad.socket.send(frame)
        try:
            bad.until(lambda: False)
        except (Refused, ConnectionResetError):
            pass
        echo(good, [5])
    good.close()


def main(door, caller=None):
    tries = (moves_to_shared_memory, grows_a_small_ring, stays_on_its_socket,
             sends_ahead_of_the_reader, aligns_what_it_sends,
             gets_replies_to_calls, drops_what_it_accepted, asks_for_facts,
             is_refused_what_does_not_fit, ends_alone_when_it_breaks_the_rules)
    for one in tries:
        one(door)
        print("ok", one.__name__)
    if caller:
        answers_calls(caller)
        print("ok", answers_calls.__name__)


if __name__ == "__main__":
    main(*sys.argv[1:])
