# SPDX-License-Identifier: Apache-2.0
import gc
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest

import windpipe


def echo(server):
    for event in server:
        if event.type is windpipe.MESSAGE and event.request:
            server.reply(event, event.data.upper())
        elif event.type is windpipe.MESSAGE:
            server.send(event.client, event.data)


@pytest.fixture
def server(run):
    with windpipe.Server() as server:
        thread = run(echo, server)
        yield server
        server.stop()
        thread.join()


def join(server, **options):
    """A client on this thread, which the server meets while it waits."""
    client = windpipe.Client(server.name, flags=windpipe.Flag.CONNECT_LATER,
                             **options)
    with pytest.raises(TimeoutError):
        client.wait(0)
    event = server.wait(5)
    assert event.type is windpipe.CONNECTED
    assert client.wait(5).type is windpipe.CONNECTED
    return client, event.client


def test_message_comes_back(server):
    with windpipe.Client(server.name, timeout=5) as client:
        client.send(b"ciao")
        event = client.wait(timeout=5)
        assert event.type is windpipe.MESSAGE
        assert event.data == b"ciao"
        assert "MESSAGE" in repr(event)


def test_call_is_answered(server):
    with windpipe.Client(server.name, timeout=5) as client:
        assert client.call(b"hello", timeout=5) == b"HELLO"


@pytest.mark.parametrize("data", [
    b"", b"x" * 1_000_000, bytearray(b"abc"), memoryview(b"0123")[1:3]])
def test_any_bytes_are_sent(server, data):
    with windpipe.Client(server.name, timeout=5) as client:
        client.send(data, 5)
        assert client.wait(5).data == bytes(data)


def test_events_of_a_connection():
    with windpipe.Server() as server:
        client, who = join(server)
        assert server.count == 1
        assert server.peer(who).pid == os.getpid()
        assert client.peer.uid == os.getuid()
        client.close()
        last = server.wait(5)
        assert last.type is windpipe.DISCONNECTED
        assert last.reason is windpipe.Reason.CLOSED
        assert last.client == who


def test_killed_client_is_told():
    with windpipe.Server() as server:
        child = subprocess.Popen([sys.executable, "-c", (
            "import windpipe, time\n"
            "c = windpipe.Client(%r)\nc.send(b'up')\ntime.sleep(60)"
            % server.name)])
        assert server.wait(30).type is windpipe.CONNECTED
        assert server.wait(30).data == b"up"
        child.kill()
        event = server.wait(5)
        assert event.type is windpipe.DISCONNECTED
        assert event.reason is windpipe.Reason.DIED
        child.wait()


def test_errors_are_pythons_own():
    with pytest.raises(FileNotFoundError) as e:
        windpipe.Stream("nobody", timeout=0)
    assert isinstance(e.value, windpipe.Error)
    assert e.value.name == "WPIPE_ENOTFOUND" and e.value.code == -8
    with pytest.raises(ValueError):
        windpipe.Server("a/b")
    with windpipe.Server("taken"), pytest.raises(FileExistsError) as e:
        windpipe.Server("taken")
    assert "taken" in str(e.value)
    with windpipe.Server() as server:
        with pytest.raises(TimeoutError):
            server.wait(0.01)
        with pytest.raises(ConnectionError):
            server.send(77, b"x")
        with pytest.raises(TypeError):
            server.send(1, "text")
        with pytest.raises(ValueError):
            server.wait(-1)
        with pytest.raises(ValueError):
            server.wait(float("nan"))
    with pytest.raises(TypeError):
        windpipe.Server("x", no_such_option=1)
    with pytest.raises(ValueError):
        windpipe.Server("x", max_clients=1 << 40)
    with pytest.raises(ValueError):
        windpipe.Server("x", spin_us=999999)


def test_full_queue():
    with windpipe.Server(queue_limit=4096) as server:
        client, who = join(server)
        with client:
            with pytest.raises(BlockingIOError):
                for _ in range(100000):
                    server.send(who, b"x" * 1000)
            with pytest.raises(TimeoutError):
                server.send(who, b"x" * 1000, 0.01)
            server.kick(who)


def test_closed_objects_say_so():
    server = windpipe.Server()
    client, _ = join(server)
    for thing in (server, client):
        assert not thing.closed
        thing.close()
        thing.close()
        assert thing.closed
        with pytest.raises(ValueError):
            thing.wait(0)
        with pytest.raises(ValueError):
            thing.fileno()


def test_close_ends_a_wait_of_another_thread(run):
    server = windpipe.Server()
    seen = []

    def wait():
        try:
            server.wait()
        except ValueError as e:
            seen.append(e)
    thread = run(wait)
    while not seen:
        server.close()
        thread.join(0.01)
    assert "closed" in str(seen[0])


def test_wake_ends_a_wait(run):
    with windpipe.Server() as server:
        server.wake()
        with pytest.raises(InterruptedError):
            server.wait()


def test_dropped_objects_are_closed():
    server = windpipe.Server("dropped")
    gone = weakref.ref(server)
    del server
    gc.collect()
    assert gone() is None
    windpipe.Server("dropped").close()


def test_stream_of_bytes(run):
    with windpipe.Listener() as listener:
        def client():
            with windpipe.Stream(listener.name, 5) as stream:
                assert stream.write(b"hello", 5) == 5
                stream.finish()
                assert stream.read(10, 5) == b"ok"
                with pytest.raises(EOFError):
                    stream.read(10, 5)
        run(client)
        with listener.accept(5) as stream:
            parts = []
            with pytest.raises(EOFError):
                while True:
                    parts.append(stream.read(2, 5))
            assert b"".join(parts) == b"hello"
            stream.write(b"ok", 5)
            stream.drain(5)


def test_stream_of_messages(run):
    with windpipe.Listener(type=windpipe.Type.MESSAGE) as listener:
        big = os.urandom(300_000)

        def client():
            with windpipe.Stream(listener.name, 5,
                                 type=windpipe.Type.MESSAGE) as stream:
                stream.write(big, 5)
                stream.write(b"", 5)
                stream.drain(5)
        run(client)
        with listener.accept(5) as stream:
            assert stream.read(10, 5) == big[:10]
            assert not stream.message_complete
            assert big[10:] == stream.read_message(5)
            assert stream.read_message(5) == b""


def test_peek_takes_nothing(run):
    with windpipe.Listener(type=windpipe.Type.MESSAGE) as listener:
        with windpipe.Stream(listener.name, 5, flags=2) as client:
            client.write(b"message", 5)
            with listener.accept(5) as stream:
                while stream.peek(3)[1] == 0:
                    pass
                assert stream.peek(3) == (b"mes", 7, 4)
                assert stream.read(10, 5) == b"message"


def test_two_readers_of_a_stream_are_refused(run):
    with windpipe.Listener() as listener:
        with windpipe.Stream(listener.name, 5, flags=2) as client:
            with listener.accept(5) as stream:
                begun = threading.Event()
                refused = []

                def read():
                    begun.set()
                    try:
                        stream.read(1, 30)
                    except RuntimeError as e:
                        refused.append(e)
                first, second = run(read), run(read)
                while not refused:
                    first.join(0.01)
                client.write(b"x")
                first.join()
                second.join()
                assert len(refused) == 1


def test_ctrl_c_ends_a_wait(private):
    child = subprocess.Popen([sys.executable, "-c", (
        "import windpipe\n"
        "s = windpipe.Server('ctrl-c')\n"
        "try:\n    print('up', flush=True)\n    s.wait()\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n")],
        stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[0] == "interrupted\n"


def test_signal_handler_that_returns_goes_on(private):
    child = subprocess.Popen([sys.executable, "-c", (
        "import signal, windpipe\n"
        "signal.signal(signal.SIGUSR1, lambda *a: print('handled', flush=True))\n"
        "s = windpipe.Server('handler')\n"
        "print('up', flush=True)\n"
        "print(s.wait(30).type.name)\n")],
        stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGUSR1)
    assert child.stdout.readline() == "handled\n"
    with windpipe.Client("handler", 5):
        assert child.communicate(timeout=30)[0] == "CONNECTED\n"


def test_fork_leaves_the_parents_server_alone(server):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            server.send(1, b"from the child")
        except windpipe.Error as e:
            code = 0 if e.name in ("WPIPE_ESTATE", "WPIPE_ENOTCONN") else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    test_message_comes_back(server)


def test_anonymous_pipe_to_a_child():
    stream = windpipe.anonymous(windpipe.Direction.DUPLEX,
                                type=windpipe.Type.MESSAGE)
    string = stream.client_string()
    child = subprocess.Popen([sys.executable, "-c", (
        "import sys, windpipe\n"
        "s = windpipe.open_anonymous(sys.argv[1],"
        " type=windpipe.Type.MESSAGE)\n"
        "s.write(s.read_message(5)[::-1])\n"), string],
        pass_fds=[int(string)])
    stream.release_client()
    stream.write(b"abc", 5)
    assert stream.read_message(30) == b"cba"
    child.wait()
    stream.close()


def test_typed_messages(server):
    message = windpipe.Message("topic", "bödy")
    assert windpipe.Message.decode(message.encode()) == message
    with windpipe.Client(server.name, timeout=5) as client:
        client.send(message.encode())
        assert client.wait(5).message == message
    with pytest.raises(windpipe.Error):
        windpipe.Message.decode(b"\xff")


def test_multiprocessing_talks_to_the_foreign_socket(private, run):
    options = dict(foreign=windpipe.Foreign.ONLY,
                   framing=windpipe.Framing.BE32, type=windpipe.Type.MESSAGE)
    with windpipe.Listener("mp", **options) as listener:
        def peer():
            path = str(private / "CoreFxPipe_mp")
            with multiprocessing.connection.Client(
                    path, "AF_UNIX", authkey=b"secret") as c:
                c.send_bytes(b"ping")
                assert c.recv_bytes() == b"pong"
        run(peer)
        with listener.accept(5) as stream:
            multiprocessing.connection.deliver_challenge(stream, b"secret")
            multiprocessing.connection.answer_challenge(stream, b"secret")
            assert stream.recv_bytes() == b"ping"
            stream.send_bytes(b"pong")
            stream.drain(5)


def test_shutdown_counts_what_was_not_read():
    with windpipe.Server() as server:
        client, who = join(server)
        with client:
            server.send(who, b"read")
            assert client.wait(5).data == b"read"
            server.send(who, b"unread")
            lost = server.shutdown(0.05)
            assert not lost.done and lost.messages == 1 and lost.peers == 1


def test_names_are_listed(server):
    assert server.name in windpipe.list_pipes()
    windpipe.wait_for(server.name, 5)
    with pytest.raises(TimeoutError):
        windpipe.wait_for("nobody", 0.01)


def test_many_clients_from_threads(server, run):
    def one(number):
        with windpipe.Client(server.name, timeout=30) as client:
            for i in range(50):
                text = b"%d.%d" % (number, i)
                assert client.call(text, timeout=30) == text
    for thread in [run(one, n) for n in range(20)]:
        thread.join()


# ---- calls --------------------------------------------------------------------

def test_reply_event_ends_a_request(server):
    with windpipe.Client(server.name, timeout=5) as client:
        number = client.request(b"hello", timeout=5)
        event = client.wait(5)
        assert event.type is windpipe.REPLY and event.request == number
        assert event.answer() == b"HELLO"


def test_server_calls_a_client(run):
    with windpipe.Server() as server:
        client, who = join(server)

        def answer():
            for event in client:
                if event.request:
                    client.reply(event, event.data[::-1])
        run(answer)
        with pytest.raises(RuntimeError):  # this thread takes the events
            server.call(who, b"abc", 5)
        number = server.request(who, b"abc", timeout=5)
        event = server.wait(5)
        assert (event.request, event.answer()) == (number, b"cba")
        events = run(lambda: [None for _ in server])
        answers = []
        run(lambda: answers.append(server.call(who, b"xyz", 30))).join()
        assert answers == [b"zyx"]
        server.stop()
        events.join()
        server.kick(who)
    client.wake()


def test_request_without_an_answer():
    with windpipe.Server() as server:
        client, who = join(server)
        with client:
            late = server.request(who, b"?", 0.01)
            event = server.wait(5)
            assert event.type is windpipe.REPLY and event.request == late
            with pytest.raises(TimeoutError):
                event.answer()
            server.request(who, b"?")
        event = server.wait(5)
        with pytest.raises(ConnectionError):
            event.answer()
        assert server.wait(5).type is windpipe.DISCONNECTED


def test_pieces_are_one_message(server):
    with windpipe.Client(server.name, timeout=5) as client:
        client.sendv([b"one", bytearray(b"two"), memoryview(b"")])
        assert client.wait(5).data == b"onetwo"
        with pytest.raises(TypeError):
            client.sendv([b"one", "two"])
        with pytest.raises(ValueError):
            client.sendv([b""] * 1025)
        with pytest.raises(TypeError):
            client.sendv(None)


def test_user_comes_with_each_event_of_a_client():
    with windpipe.Server() as server:
        client, who = join(server)
        thing = object()
        server.set_user(who, thing)
        client.send(b"x")
        assert server.wait(5).user is thing
        client.close()
        assert server.wait(5).user is thing
        with pytest.raises(ConnectionError):
            server.set_user(who, thing)
        assert sys.getrefcount(thing) == 2


def test_stop_accepting_keeps_clients():
    with windpipe.Server() as server:
        client, who = join(server)
        with client:
            server.stop_accepting()
            windpipe.Server(server.name).close()
            server.send(who, b"still here")
            assert client.wait(5).data == b"still here"


# ---- Ctrl-C ---------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading, windpipe
M = dict(type=windpipe.Type.MESSAGE)
def server():
    s = windpipe.Server('s')
    c = windpipe.Client('s', flags=windpipe.Flag.CONNECT_LATER)
    try:
        c.wait(0)
    except TimeoutError:
        pass
    s.wait(5), c.wait(5)
    return s, c, 1
def streams():
    l = windpipe.Listener('l', **M)
    return l, windpipe.Stream('l', 5, flags=2, **M), l.accept(5)
def ready():
    # comes once the main thread waits, or just before: both must do
    def tell():
        os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(0.05, tell).start()
%s
try:
    ready()
    %s
    print('returned')
except KeyboardInterrupt:
    print('interrupted')
"""


@pytest.mark.parametrize("first, call", [
    ("", "windpipe.Client('none', 60)"),
    ("", "windpipe.Stream('none', 60)"),
    ("", "windpipe.wait_for('none', 60)"),
    ("l = windpipe.Listener('l')", "l.accept()"),
    ("l, c, s = streams()", "s.read()"),
    ("l, c, s = streams()", "c.write(bytes(10_000_000))"),
    ("l, c, s = streams(); c.write(b'x')", "c.drain()"),
    ("s, c, who = server()", "s.wait()"),
    ("s, c, who = server()", "c.wait()"),
    ("s, c, who = server()", "c.call(b'?')"),
    ("s, c, who = server(); s.send(who, b'x')", "s.drain()"),
    ("s, c, who = server(); s.send(who, b'x')", "s.shutdown()"),
    ("s, c, who = server(); c.send(b'x')", "c.drain()"),
    ("s, c, who = server(); c.send(b'x')", "c.shutdown()"),
], ids=lambda text: text.replace("/", ""))
def test_ctrl_c_ends_every_wait(private, first, call):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED % (first, call)],
                          stdout=subprocess.PIPE, text=True, timeout=50)
    assert done.stdout == "interrupted\n"


def test_signal_handler_that_returns_does_not_end_a_write(private):
    """A message far over the buffer, to a peer that reads late."""
    big = 10_000_000
    child = subprocess.Popen([sys.executable, "-c", (
        "import signal, sys, windpipe\n"
        "M = dict(type=windpipe.Type.MESSAGE)\n"
        "def on_term(*a):\n    print('handled', flush=True)\n"
        "signal.signal(signal.SIGTERM, on_term)\n"
        "s = windpipe.Stream('late', 30, **M)\n"
        "print('up', flush=True)\n"
        "print(s.write(bytes(%d)), flush=True)\n"
        "s.drain(30)\n" % big)], stdout=subprocess.PIPE, text=True)
    with windpipe.Listener("late", type=windpipe.Type.MESSAGE) as listener:
        with listener.accept(30) as stream:
            assert child.stdout.readline() == "up\n"
            while stream.peek()[1] == 0:
                pass
            child.send_signal(signal.SIGTERM)
            assert child.stdout.readline() == "handled\n"
            assert stream.read_message(30) == bytes(big)
            assert child.communicate(timeout=30)[0] == "%d\n" % big


def test_large_message_waits_for_a_slow_reader(private):
    """For longer than a look at signals takes, in the middle of it."""
    big = 10_000_000
    child = subprocess.Popen([sys.executable, "-c", (
        "import windpipe\n"
        "s = windpipe.Stream('slow', 30, type=windpipe.Type.MESSAGE)\n"
        "s.write(bytes(%d))\n"
        "s.drain(30)\n" % big)])
    with windpipe.Listener("slow", type=windpipe.Type.MESSAGE) as listener:
        with listener.accept(30) as stream:
            assert stream.read(1000, 30) == bytes(1000)
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(0.3)
            assert stream.read_message(30) == bytes(big - 1000)
            assert child.wait(30) == 0


def test_connecting_waits_for_the_server(private):
    """For longer than a look at signals takes."""
    child = subprocess.Popen([sys.executable, "-c", (
        "import windpipe\n"
        "print('up', flush=True)\n"
        "with windpipe.Client('later', timeout=30) as c:\n"
        "    print(c.wait(30).data)\n")], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "up\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.4)
    with windpipe.Server("later") as server:
        server.send(server.wait(30).client, b"hello")
        assert child.communicate(timeout=30)[0] == "b'hello'\n"


# ---- bad use ----------------------------------------------------------------------

def test_close_ends_a_shutdown_of_another_thread(run):
    server = windpipe.Server()
    client, who = join(server)
    server.send(who, b"never read")
    name = server.name

    def shut_down():
        with pytest.raises(ValueError):
            server.shutdown()
    thread = run(shut_down)
    while name in windpipe.list_pipes():
        pass
    server.close()
    thread.join()
    client.close()


def test_forked_child_closes_what_a_thread_waits_on(run):
    server = windpipe.Server()
    begun = threading.Event()

    def wait():
        begun.set()
        with pytest.raises((ValueError, InterruptedError)):
            server.wait()
    thread = run(wait)
    begun.wait()
    while server.fileno() < 0:
        pass
    child = os.fork()
    if child == 0:
        server.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    server.close()
    thread.join()


def test_exit_while_a_thread_waits(private):
    done = subprocess.run([sys.executable, "-c", (
        "import threading, windpipe\n"
        "s = windpipe.Server('exit')\n"
        "t = threading.Thread(target=s.wait, daemon=True)\n"
        "t.start()\n"
        "print('end')\n")], stdout=subprocess.PIPE, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "end\n")


def test_wrong_values_are_refused():
    with windpipe.Server() as server, windpipe.Listener() as listener:
        for bad in (-1, 1 << 64):
            with pytest.raises(OverflowError):
                server.send(bad, b"x")
            with pytest.raises(OverflowError):
                server.drain(bad, 0)
            with pytest.raises(OverflowError):
                server.kick(bad)
        with windpipe.Stream(listener.name, 5, flags=2) as stream:
            for bad in (None, "text", 5):
                with pytest.raises(TypeError):
                    stream.write(bad)
                with pytest.raises(TypeError):
                    stream.readinto(bad)
            with pytest.raises(BufferError):
                stream.write(memoryview(b"abcdef")[::2])
            with pytest.raises(ValueError):
                stream.read(-1)
            with pytest.raises(MemoryError):
                stream.read(sys.maxsize - 64)
            with pytest.raises(ValueError):
                stream.peek(-1)
            with pytest.raises(TypeError):
                stream.read(timeout="soon")
            with pytest.raises(TimeoutError):
                stream.read(1 << 31, timeout=0)


def test_nothing_is_left_of_many_rounds():
    def round():
        with windpipe.Server() as server:
            client, who = join(server)
            with client:
                client.send(bytearray(b"data"))
                server.set_user(who, object())
                assert server.wait(5).data == b"data"
                server.sendv(who, [b"a", b"b"])
                assert client.wait(5).data == b"ab"
                with pytest.raises(TimeoutError):
                    client.wait(0)
                with pytest.raises(ConnectionError):
                    server.peer(99)

    def objects():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), sys.getallocatedblocks()

    for _ in range(5):
        round()
    descriptors, blocks = objects()
    for _ in range(100):
        round()
    after, after_blocks = objects()
    assert after == descriptors
    assert after_blocks < blocks + 100  # one a round would be a leak
