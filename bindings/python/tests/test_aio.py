# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest

import windpipe
import windpipe.aio


def go(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def echo(server):
    async for event in server:
        if event.type is windpipe.MESSAGE:
            await server.send(event.client, event.data)
        elif event.type is windpipe.DISCONNECTED:
            return


def test_echo():
    async def main():
        async with windpipe.aio.Server() as server:
            task = asyncio.create_task(echo(server))
            async with await windpipe.aio.open_client(server.name, 5) as c:
                for data in (b"one", b"", b"x" * 500_000):
                    await c.send(data)
                    assert (await c.wait()).data == data
            await task
    go(main())


def test_many_at_once():
    async def one(name, number):
        async with await windpipe.aio.open_client(name, 20) as client:
            for i in range(20):
                await client.send(b"%d %d" % (number, i))
                assert (await client.wait()).data == b"%d %d" % (number, i)

    async def main():
        async with windpipe.aio.Server() as server:
            async def serve():
                left = 50
                async for event in server:
                    if event.type is windpipe.MESSAGE:
                        await server.send(event.client, event.data)
                    elif event.type is windpipe.DISCONNECTED:
                        left -= 1
                        if left == 0:
                            return
            task = asyncio.create_task(serve())
            await asyncio.gather(*(one(server.name, n) for n in range(50)))
            await task
    go(main())


def test_cancelled_wait():
    async def main():
        async with windpipe.aio.Server() as server:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(server.wait(), 0.01)
            client, event = await asyncio.gather(
                windpipe.aio.open_client(server.name, 5), server.wait())
            assert event.type is windpipe.CONNECTED
            client.close()
    go(main())


def test_closed_while_waiting():
    async def main():
        server = windpipe.aio.Server()
        task = asyncio.create_task(server.wait())
        await asyncio.sleep(0)
        server.close()
        with pytest.raises(ValueError):
            await task
        assert server.closed
    go(main())


def test_streams():
    async def main():
        async with windpipe.aio.Listener(type=windpipe.Type.MESSAGE) as lis:
            async def client():
                async with await windpipe.aio.connect(
                        lis.name, 5, type=windpipe.Type.MESSAGE) as s:
                    await s.write(b"y" * 100_000)
                    assert await s.read_message() == b"done"
            task = asyncio.create_task(client())
            async with await lis.accept() as stream:
                assert await stream.read_message() == b"y" * 100_000
                await stream.write(b"done")
                await task
    go(main())


def test_no_server():
    async def main():
        with pytest.raises(TimeoutError):
            await windpipe.aio.open_client("nobody", 0.05)
        with pytest.raises(FileNotFoundError):
            await windpipe.aio.connect("nobody", 0.05)
    go(main())


def test_calls_both_ways_beside_other_events():
    async def main():
        async with windpipe.aio.Server() as server:
            client, event = await asyncio.gather(
                windpipe.aio.open_client(server.name, 5), server.wait())
            who = event.client

            async def answer(side):
                async for event in side:
                    if event.request:
                        side.reply(event, event.data.upper())
            async with client:
                serving = asyncio.create_task(answer(server))
                await server.send(who, b"news")
                answers = await asyncio.gather(
                    *(client.call(b"a%d" % i, 10) for i in range(30)))
                assert answers == [b"A%d" % i for i in range(30)]
                assert (await client.wait()).data == b"news"  # it was kept
                asked = asyncio.create_task(answer(client))
                assert await server.call(who, b"b", 10) == b"B"
                serving.cancel()
                asked.cancel()
                await asyncio.gather(serving, asked, return_exceptions=True)
    go(main())


def test_call_that_nobody_answers():
    async def main():
        async with windpipe.aio.Server() as server:
            client, event = await asyncio.gather(
                windpipe.aio.open_client(server.name, 5), server.wait())
            async with client:
                with pytest.raises(TimeoutError):
                    await client.call(b"?", 0.01)
                call = asyncio.create_task(client.call(b"?"))
                assert (await server.wait()).data == b"?"
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                call = asyncio.create_task(client.call(b"?"))
                await asyncio.sleep(0)
                server.kick(event.client)
                with pytest.raises(ConnectionError):
                    await call
    go(main())
