# SPDX-License-Identifier: Apache-2.0
"""The same for asyncio: no thread, one descriptor in the event loop.

    async with windpipe.aio.Server("py") as server:
        async for event in server:
            if event.type is windpipe.MESSAGE:
                await server.send(event.client, event.data)
"""

from __future__ import annotations

import asyncio
import collections
import typing

import windpipe
from windpipe import Buffer, Event, Lost, Peer

__all__ = ["Client", "Listener", "Server", "Stream", "connect", "open_client"]

T = typing.TypeVar("T")
I = typing.TypeVar("I", bound=typing.Union[
    windpipe.Server, windpipe.Client, windpipe.Stream, windpipe.Listener])


class _Polled(typing.Generic[I]):
    """Calls with timeout 0, again whenever the descriptor is readable."""

    def __init__(self, inner: I) -> None:
        self._inner = inner
        self._waiters: set[asyncio.Future[None]] = set()

    def _readable(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _again(self) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if not self._waiters:
            loop.add_reader(self._inner.fileno(), self._readable)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if not self._waiters and not self._inner.closed:
                loop.remove_reader(self._inner.fileno())

    async def _until(self, call: typing.Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except windpipe.TimedOutError:
                await self._again()

    async def _room(self, call: typing.Callable[[], T]) -> T:
        """The descriptor tells of what there is to read, not of room."""
        pause = 0.0005
        while True:
            try:
                return call()
            except (windpipe.TimedOutError, windpipe.WouldWaitError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.01)

    def close(self) -> None:
        """End what waits, with ValueError; deliver what was accepted, close:
        that takes up to the option linger_ms if the peer reads slowly."""
        if self._inner.closed:
            return
        for waiter in self._waiters:
            waiter.get_loop().remove_reader(self._inner.fileno())
            break
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ValueError("this object was closed"))
        self._waiters = set()
        self._inner.close()

    @property
    def closed(self) -> bool:
        return self._inner.closed

    async def __aenter__(self: T) -> T:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


E = typing.TypeVar("E", bound=typing.Union[windpipe.Server, windpipe.Client])


class _Caller(_Polled[E]):
    """Events and calls. Whoever looks first takes an event for all: an answer
    goes to its call, and a call keeps the other events for wait."""

    _KEPT_LIMIT = 64 << 20  # bytes; then a call leaves the rest where it is

    def __init__(self, inner: E) -> None:
        super().__init__(inner)
        self._answers: dict[int, Event | None] = {}
        self._given_up: set[int] = set()
        self._kept: collections.deque[Event] = collections.deque()
        self._kept_size = 0

    def _take(self) -> Event:
        """The next event that is not an answer to a call here."""
        while True:
            event = self._inner.wait(0)
            if event.type is windpipe.REPLY:
                if event.request in self._answers:
                    self._answers[event.request] = event
                    self._readable()
                    continue
                if event.request in self._given_up:
                    self._given_up.discard(event.request)
                    continue
            return event

    def _next(self) -> Event:
        if not self._kept:
            return self._take()
        event = self._kept.popleft()
        self._kept_size -= len(event.data) + 200
        return event

    async def wait(self) -> Event:
        """The next event. InterruptedError after a wake; ConnectionError after
        the last DISCONNECTED of a client."""
        return await self._until(self._next)

    def _answer(self, number: int) -> Event:
        while self._kept_size <= self._KEPT_LIMIT:
            answer = self._answers[number]
            if answer is not None:
                return answer
            try:
                event = self._take()
            except windpipe.TimedOutError:
                break
            self._kept.append(event)
            self._kept_size += len(event.data) + 200
            self._readable()
        answer = self._answers[number]
        if answer is None:
            raise windpipe._make_error(-6, "")
        return answer

    async def _call(self, send: typing.Callable[[], int],
                    timeout: float | None) -> bytes:
        number: int | None = None
        try:
            number = await self._room(send)
            self._answers[number] = None
            answer = await asyncio.wait_for(
                self._until(lambda: self._answer(typing.cast(int, number))),
                None if timeout is None else timeout + 1)
        except asyncio.TimeoutError:
            raise windpipe._make_error(-6, "no answer in time") from None
        finally:
            if number is not None and self._answers.pop(number) is None:
                self._given_up.add(number)
        return answer.answer()


class Server(_Caller[windpipe.Server]):
    """As windpipe.Server."""

    def __init__(self, name: str | None = None, **options: int) -> None:
        super().__init__(windpipe.Server(name, **options))

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def count(self) -> int:
        return self._inner.count

    async def __aiter__(self) -> typing.AsyncIterator[Event]:
        while True:
            try:
                event = await self.wait()
            except windpipe.WokenError:
                return
            yield event

    async def send(self, client: int, data: Buffer) -> None:
        """Waits while the client's queue is full."""
        await self._room(lambda: self._inner.send(client, data))

    async def call(self, client: int, data: Buffer,
                   timeout: float | None = None) -> bytes:
        """Call a client and return its answer. Other events that come are kept
        for wait. TimeoutError; ConnectionError when the client goes."""
        return await self._call(
            lambda: self._inner.request(client, data, timeout), timeout)

    def set_user(self, client: int, user: object) -> None:
        self._inner.set_user(client, user)

    def stop_accepting(self) -> None:
        self._inner.stop_accepting()

    def broadcast(self, data: Buffer) -> int:
        return self._inner.broadcast(data)

    def reply(self, call: Event, data: Buffer) -> None:
        self._inner.reply(call, data)

    def disconnect(self, client: int) -> None:
        self._inner.disconnect(client)

    def kick(self, client: int) -> None:
        self._inner.kick(client)

    def peer(self, client: int) -> Peer:
        return self._inner.peer(client)


class Client(_Caller[windpipe.Client]):
    """As windpipe.Client; made by open_client."""

    async def __aiter__(self) -> typing.AsyncIterator[Event]:
        while True:
            try:
                event = await self.wait()
            except (windpipe.WokenError, windpipe.NotConnectedError):
                return
            yield event

    async def send(self, data: Buffer) -> None:
        """Waits while the queue is full."""
        await self._room(lambda: self._inner.send(data))

    async def call(self, request: Buffer,
                   timeout: float | None = None) -> bytes:
        """Send a request and return its answer. Other events that come are kept
        for wait. TimeoutError; ConnectionError."""
        return await self._call(
            lambda: self._inner.request(request, timeout), timeout)

    def reply(self, call: Event, data: Buffer) -> None:
        self._inner.reply(call, data)

    @property
    def peer(self) -> Peer:
        return self._inner.peer


class Stream(_Polled[windpipe.Stream]):
    """As windpipe.Stream; made by connect and Listener.accept."""

    async def read(self, size: int = 65536) -> bytes:
        return await self._until(lambda: self._inner.read(size, 0))

    async def read_message(self) -> bytes:
        parts = [await self.read()]
        while not self._inner.message_complete:
            parts.append(await self.read(1 << 20))
        return b"".join(parts)

    async def write(self, data: Buffer) -> int:
        return await self._room(lambda: self._inner.write(data, 0))

    def finish(self) -> None:
        self._inner.finish()

    @property
    def peer(self) -> Peer:
        return self._inner.peer


class Listener(_Polled[windpipe.Listener]):
    """As windpipe.Listener."""

    def __init__(self, name: str | None = None, **options: int) -> None:
        super().__init__(windpipe.Listener(name, **options))

    @property
    def name(self) -> str:
        return self._inner.name

    async def accept(self) -> Stream:
        return Stream(await self._until(lambda: self._inner.accept(0)))

    async def __aiter__(self) -> typing.AsyncIterator[Stream]:
        while True:
            yield await self.accept()


async def open_client(name: str, timeout: float | None = 300,
                      **options: int) -> Client:
    """A client, once it is connected; TimeoutError."""
    flags = options.pop("flags", 0) | windpipe.Flag.CONNECT_LATER
    client = Client(windpipe.Client(name, None, flags=flags, **options))
    try:
        event = await asyncio.wait_for(client.wait(), timeout)
    except asyncio.TimeoutError:
        client.close()
        raise windpipe._make_error(-6, "no server named '%s' in time"
                                   % name) from None
    except BaseException:
        client.close()
        raise
    if event.type is not windpipe.CONNECTED:
        client.close()
        raise windpipe._make_error(event.error or -21, "not connected")
    return client


async def connect(name: str, timeout: float | None = 300,
                  **options: int) -> Stream:
    """A stream, once a server has it in its queue; TimeoutError."""
    flags = options.pop("flags", 0) | windpipe.Flag.CONNECT_EARLY
    loop = asyncio.get_running_loop()
    until = None if timeout is None else loop.time() + timeout
    while True:
        try:
            return Stream(windpipe.Stream(name, 0, flags=flags, **options))
        except (windpipe.NotFoundError, windpipe.BusyError,
                windpipe.TimedOutError):
            if until is not None and loop.time() >= until:
                raise
        await asyncio.sleep(0.01)
