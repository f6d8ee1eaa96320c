# SPDX-License-Identifier: Apache-2.0
"""The same for asyncio: no thread, one descriptor in the event loop.

    async with windpipe.aio.Server("py") as server:
        async for event in server:
            if event.type is windpipe.MESSAGE:
                await server.send(event.client, event.data)
"""

from __future__ import annotations

import asyncio
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

    async def _again(self, slices: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if not self._waiters:
            loop.add_reader(self._inner.fileno(), self._readable)
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, slices)
        except asyncio.TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)
            if not self._waiters and not self._inner.closed:
                loop.remove_reader(self._inner.fileno())

    async def _until(self, call: typing.Callable[[], T],
                     slices: float | None = None) -> T:
        while True:
            try:
                return call()
            except (windpipe.TimedOutError, windpipe.WouldWaitError):
                await self._again(slices)

    def close(self) -> None:
        if self._inner.closed:
            return
        if self._waiters:
            asyncio.get_running_loop().remove_reader(self._inner.fileno())
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


class Server(_Polled[windpipe.Server]):
    """As windpipe.Server."""

    def __init__(self, name: str | None = None, **options: int) -> None:
        super().__init__(windpipe.Server(name, **options))

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def count(self) -> int:
        return self._inner.count

    async def wait(self) -> Event:
        return await self._until(lambda: self._inner.wait(0))

    async def __aiter__(self) -> typing.AsyncIterator[Event]:
        while True:
            try:
                event = await self.wait()
            except windpipe.WokenError:
                return
            yield event

    async def send(self, client: int, data: Buffer) -> None:
        """Waits while the client's queue is full."""
        await self._until(lambda: self._inner.send(client, data), 0.01)

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


class Client(_Polled[windpipe.Client]):
    """As windpipe.Client; made by open_client."""

    async def wait(self) -> Event:
        return await self._until(lambda: self._inner.wait(0))

    async def __aiter__(self) -> typing.AsyncIterator[Event]:
        while True:
            try:
                event = await self.wait()
            except (windpipe.WokenError, windpipe.NotConnectedError):
                return
            yield event

    async def send(self, data: Buffer) -> None:
        """Waits while the queue is full."""
        await self._until(lambda: self._inner.send(data), 0.01)

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
        return await self._until(lambda: self._inner.write(data, 0), 0.001)

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
