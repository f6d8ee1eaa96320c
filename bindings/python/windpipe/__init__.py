# SPDX-License-Identifier: Apache-2.0
"""Named pipes with messages and events, between processes on one machine.

A server and a client:

    with windpipe.Server("py") as server:
        for event in server:
            if event.type is windpipe.MESSAGE:
                server.send(event.client, event.data)

    with windpipe.Client("py", timeout=5) as client:
        client.send(b"ciao")
        event = client.wait(timeout=5)
        print(event.data)

Timeouts are seconds; None waits for ever. The options of the C library are
keywords under their C names: Server("py", max_clients=10, linger_ms=500).
What goes wrong raises one of Python's own exceptions (TimeoutError,
FileNotFoundError, PermissionError, BrokenPipeError, ConnectionError, EOFError,
BlockingIOError, OSError, ValueError) that is also a windpipe.Error, with the
C library's `code` and `name`.
"""

from __future__ import annotations

import enum
import os
import threading
import typing

from . import _windpipe

__all__ = [
    "Access", "Buffer", "Client", "Direction", "Error", "Event", "EventType",
    "Flag", "Foreign", "Framing", "Listener", "Lost", "Message", "Peer", "Reason", "Server",
    "SharedMemory", "Stream", "Type", "anonymous", "list_pipes",
    "open_anonymous", "version", "wait_for",
    "CONNECTED", "MESSAGE", "DISCONNECTED", "REFUSED", "WRITABLE", "SKIPPED",
    "FINISHED", "REPLY", "NAME", "ALL",
]

version: str = _windpipe.version
list_pipes = _windpipe.list_pipes
wait_for = _windpipe.wait_for

ALL = 2 ** 64 - 1
"""Every client, for Server.drain."""


class EventType(enum.IntEnum):
    """Event.type; the module has each of them by its name, too"""
    CONNECTED = 1
    MESSAGE = 2
    DISCONNECTED = 3
    REFUSED = 4
    WRITABLE = 5
    SKIPPED = 6
    FINISHED = 7
    REPLY = 8
    NAME = 9


CONNECTED = EventType.CONNECTED
MESSAGE = EventType.MESSAGE
DISCONNECTED = EventType.DISCONNECTED
REFUSED = EventType.REFUSED
WRITABLE = EventType.WRITABLE
SKIPPED = EventType.SKIPPED
FINISHED = EventType.FINISHED
REPLY = EventType.REPLY
NAME = EventType.NAME


class Reason(enum.IntEnum):
    """Event.reason of DISCONNECTED and REFUSED"""
    CLOSED = 0
    DIED = 1
    PROTOCOL = 2
    SLOW = 3
    KICKED = 4
    DENIED = 5
    FULL = 6
    TOO_BIG = 7
    MEMORY = 8
    LOST = 9
    SYSTEM = 10


class Type(enum.IntEnum):
    """option `type`"""
    BYTE = 1
    MESSAGE = 2


class Direction(enum.IntEnum):
    """option `direction`"""
    DUPLEX = 0
    IN = 1
    OUT = 2


class Access(enum.IntEnum):
    """option `access`"""
    USER = 0
    GROUP = 1
    ANYONE = 2


class SharedMemory(enum.IntEnum):
    """option `shared_memory`"""
    AUTO = 0
    NOW = 1
    NEVER = 2
    REQUIRED = 3


class Foreign(enum.IntEnum):
    """option `foreign`: the socket of programs that are not windpipe"""
    DEFAULT = 0
    ALSO = 1
    ONLY = 2
    NEVER = 3


class Framing(enum.IntEnum):
    """option `framing`, of a foreign socket"""
    RAW = 0
    LE32 = 1
    BE32 = 2
    LINES = 3
    HEADERS = 4
    TYPE_LE32 = 5


class Flag(enum.IntFlag):
    """option `flags`"""
    CONNECT_EARLY = 2
    TRUST_PEER = 4
    RECONNECT = 8
    CHECK_UID = 16
    CONNECT_LATER = 32


# ---- errors ------------------------------------------------------------------

class Error(Exception):
    """Something went wrong; also one of Python's own exceptions.

    `code` is the C library's, such as -6, and `name` its name, such as
    "WPIPE_ETIMEDOUT".
    """
    code: int = 0

    @property
    def name(self) -> str:
        return _windpipe._error_name(self.code)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.name


class InvalidError(Error, ValueError): pass
class MemoryShortError(Error, MemoryError): pass
class SystemFailedError(Error, OSError): pass
class WouldWaitError(Error, BlockingIOError): pass
class TimedOutError(Error, TimeoutError): pass
class WokenError(Error, InterruptedError): pass
class NotFoundError(Error, FileNotFoundError): pass
class BusyError(Error, TimeoutError): pass
class RefusedError(Error, ConnectionRefusedError): pass
class AccessError(Error, PermissionError): pass
class InUseError(Error, FileExistsError): pass
class EndError(Error, EOFError): pass
class BrokenError(Error, BrokenPipeError): pass
class DiedError(Error, ConnectionResetError): pass
class ProtocolError(Error, ConnectionAbortedError): pass
class NotConnectedError(Error, ConnectionError): pass
class StateError(Error, RuntimeError): pass
class NotSupportedError(Error, OSError): pass


_errors: dict[int, type[Error]] = {
    -1: InvalidError, -2: InvalidError, -3: MemoryShortError,
    -4: SystemFailedError, -5: WouldWaitError, -6: TimedOutError,
    -7: WokenError, -8: NotFoundError, -9: BusyError, -10: RefusedError,
    -11: AccessError, -12: InUseError, -13: EndError, -14: BrokenError,
    -15: DiedError, -16: DiedError, -17: ProtocolError, -18: ProtocolError,
    -19: ProtocolError, -20: InvalidError, -21: NotConnectedError,
    -22: StateError, -23: NotSupportedError, -24: SystemFailedError,
}


def _make_error(code: int, text: str) -> Error:
    error = _errors.get(code, SystemFailedError)(text)
    error.code = code
    return error


# ---- values -------------------------------------------------------------------

_types = {int(t): t for t in EventType}
_reasons = {int(r): r for r in Reason}


class Event:
    """What Server.wait and Client.wait return."""
    __slots__ = ("type", "reason", "client", "data", "request",
                 "lost_messages", "lost_bytes", "os_error", "error", "count",
                 "user")

    type: EventType
    reason: Reason
    client: int
    """the id of the connection"""
    data: bytes
    """MESSAGE: all of it. REPLY: the answer"""
    request: int
    """MESSAGE: not 0 if it is a call: answer it with reply. REPLY: the number
    that request returned"""
    lost_messages: int
    """DISCONNECTED: what was sent and not read; 2**64 - 1 if unknown"""
    lost_bytes: int
    os_error: int
    """the system's errno, or 0"""
    error: int
    """the code behind the reason, or 0. REPLY: why there is no answer. NAME:
    why the name is not the server's any more, or 0: it is again"""
    count: int
    """REFUSED: how many peers"""
    user: typing.Any
    """what Server.set_user gave this client, or None"""

    def __init__(self, type: int, reason: int, client: int, data: bytes,
                 request: int, lost_messages: int, lost_bytes: int,
                 os_error: int, error: int, count: int) -> None:
        self.type = _types[type]
        self.reason = _reasons.get(reason, reason)  # type: ignore
        self.client = client
        self.data = data
        self.request = request
        self.lost_messages = lost_messages
        self.lost_bytes = lost_bytes
        self.os_error = os_error
        self.error = error
        self.count = count
        self.user = None

    def __repr__(self) -> str:
        extra = ""
        if self.type is MESSAGE:
            extra = ", %d bytes%s" % (len(self.data),
                                      ", a call" if self.request else "")
        elif self.type in (DISCONNECTED, REFUSED):
            extra = ", " + getattr(self.reason, "name", str(self.reason))
        return "<Event %s of %d%s>" % (self.type.name, self.client, extra)

    @property
    def message(self) -> Message:
        """Its topic and body. ValueError or ProtocolError: it has none."""
        return Message.decode(self.data)

    def answer(self) -> bytes:
        """REPLY: the data, or the exception that says why there is none."""
        if self.error:
            raise _make_error(self.error, "")
        return self.data


class Message(typing.NamedTuple):
    """A topic and a body, in the layout of .NET's BinaryWriter."""
    topic: str
    body: str

    def encode(self) -> bytes:
        return _windpipe._encode(self.topic, self.body)

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview) -> Message:
        return cls(*_windpipe._decode(data))


class Peer(typing.NamedTuple):
    """Who is at the other end, as the kernel tells it."""
    uid: int
    gid: int
    pid: int
    program: str
    user: str


class Lost(typing.NamedTuple):
    """What a shutdown left unread; done is False when its time was over."""
    done: bool
    messages: int
    bytes: int
    peers: int


Buffer = typing.Union[bytes, bytearray, memoryview]

# ---- objects -------------------------------------------------------------------


class Stream(_windpipe.Stream):
    """One end of one connection: Stream(name, timeout=None, **options)
    connects to a pipe."""

    def __new__(cls, name: str, timeout: float | None = None,
                **options: int) -> Stream:
        return super().__new__(cls, name, timeout, **options)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_message(self, timeout: float | None = None) -> bytes:
        """One whole message. EOFError at the end."""
        parts = [self.read(timeout=timeout)]
        while not self.message_complete:
            parts.append(self.read(1 << 20, timeout))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # what multiprocessing.connection asks of a connection
    def send_bytes(self, data: Buffer) -> None:
        """As write."""
        self.write(data)

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """As read_message. OSError: it is longer than maxlength."""
        data = self.read_message()
        if maxlength is not None and len(data) > maxlength:
            raise OSError("bad message length")
        return data

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""
        return Peer(*self._peer())


class Listener(_windpipe.Listener):
    """Owns a name, accepts streams: Listener(name=None, **options)."""

    def __new__(cls, name: str | None = None, **options: int) -> Listener:
        return super().__new__(cls, name, **options)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> typing.Iterator[Stream]:
        """Streams until a wake."""
        while True:
            try:
                stream = self.accept()
            except WokenError:
                return
            yield stream


class Server(_windpipe.Server):
    """Owns a name and talks to many clients: Server(name=None, **options)."""

    _users: dict[int, typing.Any]

    def __new__(cls, name: str | None = None, **options: int) -> Server:
        self = super().__new__(cls, name, **options)
        self._users = {}
        return self

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, timeout: float | None = None) -> Event:
        """The next event. TimeoutError; InterruptedError after a wake or a
        stop."""
        event = self._wait(timeout)
        if self._users and event.client in self._users:
            event.user = self._users[event.client]
            if event.type is DISCONNECTED:
                self._users.pop(event.client, None)
        return event

    def __iter__(self) -> typing.Iterator[Event]:
        """Events until a wake or a stop."""
        while True:
            try:
                event = self.wait()
            except WokenError:
                return
            yield event

    def reply(self, call: Event, data: Buffer) -> None:
        """Answer a MESSAGE whose `request` is not 0, now or later."""
        self._reply(call.client, call.request, data)

    def call(self, client: int, data: Buffer,
             timeout: float | None = None) -> bytes:
        """Call a client and return its answer. Another thread must be the one
        that waits for events; RuntimeError on that one (use request there).
        TimeoutError; ConnectionError when the client goes."""
        return self._call(client, data, timeout).data

    def set_user(self, client: int, user: object) -> None:
        """From now on it is `user` in each event of that client, DISCONNECTED
        included, which is the last one. ConnectionError: no such client."""
        self._users[client] = user
        try:
            self._check_user(client)
        except BaseException:
            self._users.pop(client, None)
            raise

    def drain(self, client: int = ALL, timeout: float | None = None) -> None:
        """Until that client, or each of them, has read what was sent."""
        self._drain(client, timeout)

    def peer(self, client: int) -> Peer:
        """Who a client is."""
        return Peer(*self._peer(client))

    def shutdown(self, timeout: float | None = None) -> Lost:
        """Give the name back, wait until all is read, end all connections.
        What was not read is counted. Ctrl-C ends them at once."""
        return Lost(*self._shutdown(timeout))


class Client(_windpipe.Client):
    """Talks to a server: Client(name, timeout=300, **options)."""

    def __new__(cls, name: str, timeout: float | None = None,
                **options: int) -> Client:
        return super().__new__(cls, name, timeout, **options)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, timeout: float | None = None) -> Event:
        """The next event. TimeoutError; InterruptedError after a wake;
        ConnectionError after the last DISCONNECTED."""
        return self._wait(timeout)

    def __iter__(self) -> typing.Iterator[Event]:
        """Events until a wake, or the end of the connection."""
        while True:
            try:
                event = self._wait()
            except (WokenError, NotConnectedError):
                return
            yield event

    def call(self, request: Buffer, timeout: float | None = None) -> bytes:
        """Send a request and return its answer. Several threads may call, and
        one may wait, at once. TimeoutError; ConnectionError. A signal handler
        that returns ends it, too, with InterruptedError: a request is never
        sent twice."""
        return self._call(request, timeout).data

    def reply(self, call: Event, data: Buffer) -> None:
        """Answer a call of the server, now or later."""
        self._reply(call.client, call.request, data)

    @property
    def peer(self) -> Peer:
        """Who the server is."""
        return Peer(*self._peer())

    def shutdown(self, timeout: float | None = None) -> Lost:
        """Wait until all is read, end the connection. What was not read is
        counted. Ctrl-C ends it at once."""
        return Lost(*self._shutdown(timeout))


def anonymous(direction: int = Direction.DUPLEX, **options: int) -> Stream:
    """This process's end of a pipe without a name. Its client_string() is for
    a child that inherits the end (pass int(string) in pass_fds)."""
    return _windpipe._anonymous(direction, None, **options)


def open_anonymous(string: str, direction: int = Direction.DUPLEX,
                   **options: int) -> Stream:
    """In a child: the end that its parent's string names."""
    return _windpipe._anonymous(direction, string, **options)


_windpipe._setup(_make_error, Event, Stream,
                 threading.main_thread().ident or 0)
os.register_at_fork(after_in_child=_windpipe._forked)
