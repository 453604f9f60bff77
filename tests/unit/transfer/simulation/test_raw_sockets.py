"""Sockets without a transport: blocking ones in threads, `sock_*` and `add_reader` in coroutines, `sock=` arguments."""

from __future__ import annotations

import asyncio
import errno
import http.client
import http.server
import queue
import select
import socket
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from transfer.simulation import DeadlockError, Link, Simulation, run

LINK = Link(delay_s=0.05)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    writer.close()


def test_urllib_in_a_thread_meets_a_simulated_server() -> None:
    def fetch() -> tuple[bytes, float]:
        with urllib.request.urlopen("http://web.example/", timeout=30) as answer:
            return answer.read(), time.monotonic()

    async def scenario(simulation: Simulation) -> list[tuple[bytes, float]]:
        simulation.names["web.example"] = "10.0.0.1"
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(_answer, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            answers = await asyncio.gather(*(asyncio.to_thread(fetch) for _ in range(3)))
        server.close()
        with simulation.host("10.0.0.2"), pytest.raises(urllib.error.URLError, match="refused"):
            await asyncio.to_thread(fetch)
        return answers

    report = run(scenario, link=LINK)
    assert [body for body, _ in report.result] == [b"hello"] * 3
    assert all(0.2 <= at_s < 0.21 for _, at_s in report.result)
    assert run(scenario, link=LINK) == report


def test_http_server_in_a_thread_answers() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"hello {self.client_address[0]}".encode())

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    def serve() -> None:
        with http.server.HTTPServer(("0.0.0.0", 80), Page) as server:
            request, address = server.get_request()
            server.process_request(request, address)

    async def scenario(simulation: Simulation) -> bytes:
        with simulation.host("10.0.0.1"):
            serving = asyncio.create_task(asyncio.to_thread(serve))
        await asyncio.sleep(1)
        with simulation.host("10.0.0.2"):
            reader, writer = await asyncio.open_connection("10.0.0.1", 80)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
        await serving
        return answer

    assert run(scenario).result.endswith(b"hello 10.0.0.2")


def test_a_thread_waits_in_virtual_time() -> None:
    def wait() -> tuple[float, float, float]:
        started = time.monotonic()
        time.sleep(5)
        slept = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("0.0.0.0", 99))
            sock.settimeout(7)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        return started, slept, time.monotonic()

    async def scenario(simulation: Simulation) -> tuple[float, float, float]:
        return await asyncio.to_thread(wait)

    started, slept, ended = run(scenario).result
    assert (slept - started, ended - started) == (5, 12)


def test_a_thread_waits_for_a_coroutine() -> None:
    async def scenario(simulation: Simulation) -> str:
        loop = asyncio.get_running_loop()

        async def work() -> str:
            await asyncio.sleep(3)
            return "done"

        def wait() -> str:
            event = threading.Event()
            assert not event.wait(0.5)
            return asyncio.run_coroutine_threadsafe(work(), loop).result(10)

        result = await asyncio.to_thread(wait)
        assert 3.5 <= simulation.now < 3.6
        return result

    assert run(scenario).result == "done"


@pytest.mark.parametrize("count", [1, 3])
def test_threads_that_wait_for_ever_are_a_deadlock(count: int) -> None:
    ended: list[int] = []

    def wait(number: int) -> None:
        try:
            threading.Event().wait()
        finally:
            ended.append(number)

    async def scenario(simulation: Simulation) -> None:
        await asyncio.gather(*(asyncio.to_thread(wait, number) for number in range(count)))

    threads = threading.active_count()
    with pytest.raises(DeadlockError):
        run(scenario)
    assert sorted(ended) == list(range(count))
    assert threading.active_count() <= threads + 1  # the last one may be on its way out


@pytest.mark.parametrize("first", ["server", "client"])
def test_threads_that_wait_for_each_other(first: str) -> None:
    """A blocking client and a blocking server, whichever begins."""

    def serve() -> None:
        with socket.create_server(("0.0.0.0", 7)) as listening:
            accepted, _ = listening.accept()
            with accepted:
                while data := accepted.recv(100):
                    accepted.sendall(data.upper())

    def ask() -> list[bytes]:
        time.sleep(1)
        answers = []
        with socket.create_connection(("10.0.0.1", 7)) as sock:
            for word in (b"one", b"two"):
                sock.sendall(word)
                answers.append(sock.recv(100))
                time.sleep(1)
        return answers

    async def scenario(simulation: Simulation) -> tuple[list[bytes], float]:
        tasks = {}
        for role in (first, "client" if first == "server" else "server"):
            with simulation.host("10.0.0.1" if role == "server" else "10.0.0.2"):
                tasks[role] = asyncio.create_task(asyncio.to_thread(serve if role == "server" else ask))
        answers = await tasks["client"]
        ended = simulation.now
        await tasks["server"]
        return answers or [], ended

    report = run(scenario, link=LINK)
    assert report.result[0] == [b"ONE", b"TWO"]
    assert 3.3 <= report.result[1] < 3.31
    assert run(scenario, link=LINK) == report


def test_threads_pass_things_on_in_virtual_time() -> None:
    async def scenario(simulation: Simulation) -> list[tuple[int, float]]:
        things: queue.Queue[int] = queue.Queue()

        def give() -> None:
            for number in range(3):
                time.sleep(1)
                things.put(number)

        def take() -> list[tuple[int, float]]:
            return [(things.get(), time.monotonic()) for _ in range(3)]

        return (await asyncio.gather(asyncio.to_thread(take), asyncio.to_thread(give)))[0]

    assert run(scenario).result == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_http_client_gets_a_reset_and_a_silence() -> None:
    async def scenario(simulation: Simulation) -> None:
        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.transport.abort()

        def call(host: str) -> None:
            connection = http.client.HTTPConnection(host, timeout=2)
            try:
                connection.request("GET", "/", body=bytes(100))
                connection.getresponse()
            finally:
                connection.close()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(rude, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                await asyncio.to_thread(call, "10.0.0.1")
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(call, "10.0.0.99")
        server.close()

    run(scenario, link=LINK)


def test_sockets_of_the_loop_talk() -> None:
    async def scenario(simulation: Simulation) -> tuple[bytes, Any]:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1"):
            listening = socket.socket()
            listening.setblocking(False)
            listening.bind(("", 0))
            listening.listen()
        target = ("10.0.0.1", listening.getsockname()[1])
        with simulation.host("10.0.0.2"):
            client = socket.socket()
            client.setblocking(False)
            await loop.sock_connect(client, target)
            await loop.sock_sendall(client, bytes(300_000) + b"end")
        accepted, name = await loop.sock_accept(listening)
        assert name == client.getsockname() == accepted.getpeername()
        assert client.getpeername() == accepted.getsockname() == target
        received = bytearray()
        while not received.endswith(b"end"):
            received += await loop.sock_recv(accepted, 50_000)
        await loop.sock_sendall(accepted, b"thanks")
        accepted.shutdown(socket.SHUT_WR)
        answer = await loop.sock_recv(client, 100)
        assert await loop.sock_recv(client, 100) == b""
        for sock in (listening, client, accepted):
            sock.close()
        return bytes(received[-3:]) + answer, len(received)

    assert run(scenario, link=LINK).result == (b"endthanks", 300_003)


def test_datagram_sockets_of_the_loop_talk() -> None:
    async def scenario(simulation: Simulation) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1"):
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("0.0.0.0", 5))
        with simulation.host("10.0.0.2"):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.connect(("10.0.0.1", 5))  # the usual way to ask for the own address
            assert client.getsockname()[0] == "10.0.0.2"
            client.send(b"ping")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recvfrom(10)
        data, source = await loop.sock_recvfrom(server, 10)
        assert source == client.getsockname()
        await loop.sock_sendto(server, b"pong", source)
        answer = await loop.sock_recv(client, 10)
        server.close()
        client.send(b"anybody?")
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            client.recv(10)
        client.close()
        return data, answer

    assert run(scenario, link=LINK).result == (b"ping", b"pong")


def test_readers_and_writers_are_called_as_long_as_a_socket_is_ready() -> None:
    async def scenario(simulation: Simulation) -> tuple[list[bytes], int]:
        loop = asyncio.get_running_loop()
        heard: list[bytes] = []
        writable = 0
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setblocking(False)
        server.bind(("127.0.0.1", 5))

        def may_write() -> None:
            nonlocal writable
            writable += 1
            if writable == 3:
                assert loop.remove_writer(server)

        loop.add_reader(server.fileno(), lambda: heard.append(server.recv(10)))
        loop.add_writer(server, may_write)
        for number in range(3):
            server.sendto(b"%d" % number, ("127.0.0.1", 5))
        await asyncio.sleep(1)
        assert loop.remove_reader(server.fileno())
        assert not loop.remove_reader(server)
        server.close()
        return heard, writable

    assert run(scenario).result == ([b"0", b"1", b"2"], 3)


def test_select_waits_in_a_thread() -> None:
    def wait() -> tuple[int, float]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("0.0.0.0", 5))
            assert select.select([sock], [], [], 1) == ([], [], [])
            assert select.select([sock], [sock], [], 0) == ([], [sock], [])
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            assert poll.poll(500) == []
            poll.modify(sock, select.POLLIN | select.POLLOUT)
            assert poll.poll() == [(sock.fileno(), select.POLLOUT)]
            found, _, _ = select.select([sock], [], [])
            poll.unregister(sock)
            return len(found), time.monotonic()

    async def scenario(simulation: Simulation) -> tuple[int, float]:
        with simulation.host("10.0.0.1"):
            waiting = asyncio.create_task(asyncio.to_thread(wait))
        await asyncio.sleep(3)
        with simulation.host("10.0.0.2"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("10.0.0.1", 5))
        return await waiting

    assert run(scenario, link=LINK).result == (1, 3.05)


class Ear(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append((data, addr))


def test_an_endpoint_takes_a_socket_of_both_families() -> None:
    """As the client of aioquic makes it."""

    async def scenario(simulation: Simulation) -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1", "fd00::1"):
            sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", 5, 0, 0))
            sock.sendto(b"early", ("::ffff:10.0.0.1", 5, 0, 0))
            await asyncio.sleep(1)
            both, heard = await loop.create_datagram_endpoint(Ear, sock=sock)
        with simulation.host("10.0.0.2", "fd00::2"):
            four, answered = await loop.create_datagram_endpoint(Ear, ("0.0.0.0", 6))
            six, answered_six = await loop.create_datagram_endpoint(Ear, ("::", 7))
        four.sendto(b"four", ("10.0.0.1", 5))
        six.sendto(b"six", ("fd00::1", 5))
        await asyncio.sleep(1)
        for _, source in heard.heard[1:]:
            both.sendto(b"answer", source)
        await asyncio.sleep(1)
        for transport in (both, four, six):
            transport.close()
        await asyncio.sleep(0)
        assert sock.fileno() == -1
        return heard.heard, (answered.heard, answered_six.heard)

    heard, answers = run(scenario).result
    assert heard == [
        (b"early", ("::ffff:10.0.0.1", 5, 0, 0)),
        (b"four", ("::ffff:10.0.0.2", 6, 0, 0)),
        (b"six", ("fd00::2", 7, 0, 0)),
    ]
    assert answers == ([(b"answer", ("10.0.0.1", 5))], [(b"answer", ("fd00::1", 5, 0, 0))])


def test_servers_and_connections_take_sockets() -> None:
    async def scenario(simulation: Simulation) -> bytes:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1"):
            listening = socket.create_server(("0.0.0.0", 80))
            server = await asyncio.start_server(_answer, sock=listening)
        with simulation.host("10.0.0.2"):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("10.0.0.1", 80))
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(b"\r\n\r\n")
            answer = await reader.read()
            writer.close()
        server.close()
        await server.wait_closed()
        assert listening.fileno() == -1
        return answer

    assert run(scenario).result.endswith(b"hello")


@pytest.mark.parametrize("size", [5, 100_000])
def test_what_came_before_a_connection_was_handed_over_is_read_first(size: int) -> None:
    async def scenario(simulation: Simulation) -> bytes:
        loop = asyncio.get_running_loop()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x11" * size)
            await reader.read(1)
            writer.write(b"bye")
            writer.close()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(greet, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, ("10.0.0.1", 80))
            first = await loop.sock_recv(sock, 1)
            await asyncio.sleep(1)
            reader, writer = await asyncio.open_connection(sock=sock)
            rest = await reader.readexactly(size - 1)
            writer.write(b"x")
            bye = await reader.read()
            writer.close()
        server.close()
        await server.wait_closed()
        return first + rest + bye

    assert run(scenario).result == b"\x11" * size + b"bye"


def test_nobody_is_called_by_a_wildcard_address() -> None:
    """A peer that bound `0.0.0.0` before it called was shown as 0.0.0.0 to the one it called."""

    async def scenario(simulation: Simulation) -> list[str]:
        names: list[str] = []
        loop = asyncio.get_running_loop()

        async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            names.append(writer.get_extra_info("peername")[0])
            writer.close()

        with simulation.host("10.0.0.1", "fd00::1"):
            server = await asyncio.start_server(look, None, 80)
        with simulation.host("10.0.0.2", "fd00::2"):
            for target, local in (("10.0.0.1", "0.0.0.0"), ("fd00::1", "::")):
                reader, writer = await asyncio.open_connection(target, 80, local_addr=(local, 0))
                names.append(writer.get_extra_info("sockname")[0])
                await reader.read()
                writer.close()
            with pytest.raises(OSError, match="address") as caught:
                await asyncio.open_connection("10.0.0.1", 80, local_addr=("10.0.0.3", 0))
            assert caught.value.errno == errno.EADDRNOTAVAIL
            transport, _ = await loop.create_datagram_endpoint(Ear, ("0.0.0.0", 0), ("10.0.0.1", 5))
            names.append(transport.get_extra_info("sockname")[0])
            transport.close()
        server.close()
        return names

    assert run(scenario).result == ["10.0.0.2", "10.0.0.2", "fd00::2", "fd00::2", "10.0.0.2"]
