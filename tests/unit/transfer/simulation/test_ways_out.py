"""Whatever would leave the simulation is simulated, or refused by name: one small program for each call."""

from __future__ import annotations

import asyncio
import datetime
import gc
import multiprocessing
import os
import random
import select
import selectors
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from transfer.simulation import NotSimulatedError, Simulation, run
from transfer.simulation.loop import SimulationLoop
from transfer.simulation.process import clocks, identity, lookups, randomness, refusals, signals, sockets, threads

Program = Callable[[], Any]

# Taken out of their modules before any run, and kept where no replacement finds them.
KEPT: dict[str, Callable[..., Any]] = {
    "socket.getaddrinfo": socket.getaddrinfo,
    "socket.gethostbyname": socket.gethostbyname,
    "os.system": os.system,
    "os.fork": getattr(os, "fork", os.system),
    "os.kill": os.kill,
}
OUTSIDE = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
OUTSIDE.close()


def _loop() -> Any:
    return asyncio.get_running_loop()


def _raw(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> Any:
    return socket.socket(family, kind)


def _call(name: str) -> Any:
    arguments: dict[str, tuple[Any, ...]] = {
        "socket.getaddrinfo": ("127.0.0.1", 1),
        "socket.gethostbyname": ("127.0.0.1",),
        "os.system": ("true",),
        "os.kill": (os.getpid(), 0),
    }
    return KEPT[name](*arguments.get(name, ()))


REFUSED: dict[str, Program] = {
    "asyncio.new_event_loop": lambda: asyncio.new_event_loop(),
    "connect_read_pipe": lambda: _loop().connect_read_pipe(asyncio.Protocol, None),
    "connect_write_pipe": lambda: _loop().connect_write_pipe(asyncio.Protocol, None),
    "create_unix_connection": lambda: asyncio.open_unix_connection("/tmp/nobody"),
    "create_unix_server": lambda: asyncio.start_unix_server(lambda reader, writer: None, "/tmp/nobody"),
    "subprocess_exec": lambda: asyncio.create_subprocess_exec("true"),
    "subprocess_shell": lambda: asyncio.create_subprocess_shell("true"),
    "add_reader": lambda: _loop().add_reader(0, print),
    "add_writer": lambda: _loop().add_writer(OUTSIDE, print),
    "sock_recv": lambda: _loop().sock_recv(OUTSIDE, 1),
    "sock_sendall": lambda: _loop().sock_sendall(OUTSIDE, b"x"),
    "sock_connect": lambda: _loop().sock_connect(OUTSIDE, ("127.0.0.1", 1)),
    "create_connection(sock=": lambda: _loop().create_connection(asyncio.Protocol, sock=OUTSIDE),
    "create_server(sock=": lambda: _loop().create_server(asyncio.Protocol, sock=OUTSIDE),
    "create_datagram_endpoint(sock=": lambda: _loop().create_datagram_endpoint(asyncio.Protocol, sock=OUTSIDE),
    "connect_accepted_socket": lambda: _loop().connect_accepted_socket(asyncio.Protocol, OUTSIDE),
    "os.fork": lambda: os.fork(),
    "os.system": lambda: os.system("true"),
    "os.spawnl": lambda: os.spawnl(os.P_WAIT, "/bin/true", "true"),
    "os.execv": lambda: os.execv("/bin/true", ["true"]),
    "os.posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "os.popen": lambda: os.popen("true"),
    "os.waitpid": lambda: os.waitpid(-1, 0),
    "os.killpg": lambda: os.killpg(0, 0),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=False),
    "os.fork()": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "threading.Thread.start": lambda: threading.Thread(target=print).start(),
    "threading.Thread.start()": lambda: threading.Timer(1, print).start(),
    "threading.Thread": lambda: ThreadPoolExecutor(1).submit(print),
    "_thread.start_new_thread": lambda: __import__("_thread").start_new_thread(print, ()),
    "threading.Condition.wait": lambda: threading.Event().wait(),
    "select.poll() of what is no socket": lambda: select.poll().register(0),
    "select.poll() that blocks": lambda: select.poll().poll(),
    "select.epoll": lambda: select.epoll(),
    "selectors.DefaultSelector": selectors.DefaultSelector,
    "select.select() that blocks": lambda: select.select([], [], []),
    "signal.alarm": lambda: signal.alarm(1),
    "signal.setitimer": lambda: signal.setitimer(signal.ITIMER_REAL, 1),
    "signal.sigwait": lambda: signal.sigwait([signal.SIGUSR1]),
    "signal.set_wakeup_fd": lambda: signal.set_wakeup_fd(-1),
    "signal.pthread_kill": lambda: signal.pthread_kill(threading.get_ident(), 0),
    "SIGTERM": lambda: signal.raise_signal(signal.SIGTERM),
    "time.clock_settime": lambda: time.clock_settime(time.CLOCK_REALTIME, 0),
    "socket.create_connection": lambda: socket.create_connection(("10.0.0.1", 80)),
    "socket.socketpair": lambda: socket.socketpair(),
    "socket.fromfd": lambda: socket.fromfd(0, socket.AF_INET, socket.SOCK_STREAM),
    "socket.sethostname": lambda: socket.sethostname("x"),
    "family AF_UNIX": lambda: _raw(socket.AF_UNIX),
    "type SOCK_RAW": lambda: _raw(kind=socket.SOCK_RAW),
    "SSLContext.wrap_socket": lambda: ssl.create_default_context().wrap_socket(OUTSIDE),
    "urllib": lambda: urllib.request.urlopen("http://127.0.0.1:1/"),
    "asyncio.run()": lambda: asyncio.to_thread(asyncio.run, asyncio.sleep(0)),
    "socket.socket.connect": lambda: OUTSIDE.connect(("127.0.0.1", 1)),
    "socket.socket.sendto": lambda: OUTSIDE.sendto(b"x", ("127.0.0.1", 1)),
    **{f"{name} (a function kept": partial(_call, name) for name in KEPT},
}


@pytest.mark.parametrize("call", REFUSED)
@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_refused_by_name(call: str) -> None:
    async def scenario(simulation: Simulation) -> str:
        async def make() -> None:
            result = REFUSED[call]()
            if isinstance(result, Awaitable):
                await result

        with pytest.raises(NotSimulatedError) as caught:
            await make()
        assert caught.value.instead
        return str(caught.value)

    text = run(scenario).result
    if call == "urllib":  # what it calls is refused
        call = "socket.create_connection"
    assert call in text
    assert " is not simulated: " in text


def test_the_loop_has_every_call_of_asyncio() -> None:
    base = asyncio.AbstractEventLoop
    missing = [name for name in dir(base) if not name.startswith("__") and _is_same(SimulationLoop, base, name)]
    missing += [name for name in dir(asyncio.BaseEventLoop) if name[0] != "_" and not hasattr(SimulationLoop, name)]
    assert missing == []


def _is_same(one: type, other: type, name: str) -> bool:
    return getattr(one, name, None) is getattr(other, name)


# What stays real, because it neither leaves the process nor differs from run to run.
REAL = {
    time: {"clock_getres", "pthread_getcpuclockid", "strptime", "get_clock_info"},
    random: {"main"},
    select: set[str](),
    signal: {"default_int_handler", "strsignal", "sigpending", "valid_signals"},
    socket: {"getservbyname", "getservbyport", "getprotobyname", "close", "ntohs", "ntohl", "htons", "htonl"}
    | {"inet_aton", "inet_ntoa", "inet_pton", "inet_ntop", "getdefaulttimeout", "setdefaulttimeout", "CMSG_LEN"}
    | {"CMSG_SPACE", "getfqdn", "has_dualstack_ipv6", "create_server", "CMSG_ALIGN"},
}


@pytest.mark.parametrize("module", REAL, ids=lambda module: module.__name__)
def test_every_function_of_a_module_was_thought_of(module: Any) -> None:
    tables = (clocks, identity, lookups, randomness, refusals, signals, sockets, threads)
    known = {entry.name for table in tables for entry in table.REPLACEMENTS if entry.owner is module}
    functions = {name for name, value in vars(module).items() if callable(value) and not isinstance(value, type)}
    assert {name for name in functions if not name.startswith("_")} - known - REAL[module] == set()


def test_nothing_is_replaced_after_a_run_that_failed() -> None:
    owners: tuple[Any, ...] = (
        time,
        os,
        random,
        socket,
        signal,
        select,
        socket.socket,
        threading.Thread,
        asyncio,
        subprocess.Popen,
    )
    owners = (*owners, datetime.datetime, datetime.date, random.Random)
    before = [dict(vars(owner)) for owner in owners]

    async def fail(simulation: Simulation) -> None:
        raise KeyError

    async def nest(simulation: Simulation) -> None:
        run(fail)

    for scenario, error in ((fail, KeyError), (nest, RuntimeError)):
        with pytest.raises(error):
            run(scenario)
        assert [dict(vars(owner)) for owner in owners] == before


def test_other_threads_keep_the_real_thing() -> None:
    started, may_end = threading.Event(), threading.Event()
    seen: dict[str, Any] = {}
    generator = random.Random()
    state = generator.getstate()

    def live() -> None:
        started.wait()
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        client.sendall(b"real")
        seen["data"] = accepted.recv(10)
        seen["time"], seen["date"] = time.time(), datetime.datetime.now(datetime.UTC).timestamp()
        seen["local"] = time.localtime().tm_year
        seen["pid"], seen["host"] = os.getpid(), socket.gethostname()
        seen["random"] = generator.random()
        thread = threading.Thread(target=time.sleep, args=(0,))
        thread.start()
        thread.join()
        seen["loop"] = asyncio.new_event_loop()
        seen["loop"].close()
        seen["process"] = subprocess.run(["true"], check=False).returncode
        for sock in (server, client, accepted):
            sock.close()
        may_end.set()

    expected = random.Random()
    expected.setstate(state)
    real = {"pid": os.getpid(), "host": socket.gethostname()}
    thread = threading.Thread(target=live)
    thread.start()

    async def scenario(simulation: Simulation) -> None:
        started.set()
        while not may_end.is_set():  # it runs in real time
            pass
        assert time.time() == 1_577_836_800

    run(scenario)
    thread.join()
    assert seen["data"] == b"real"
    assert seen["time"] > 1_700_000_000
    assert abs(seen["date"] - seen["time"]) < 60
    assert seen["local"] > 2023
    assert {name: seen[name] for name in real} == real
    assert seen["random"] == expected.random()
    assert seen["process"] == 0


def test_what_was_imported_before_is_replaced_and_restored() -> None:
    namespace = __import__("types").ModuleType("a_program")
    exec("from time import monotonic, sleep\nfrom os import urandom\nfrom random import random", vars(namespace))
    before = dict(vars(namespace))
    __import__("sys").modules["a_program"] = namespace
    try:

        async def scenario(simulation: Simulation) -> tuple[float, bytes, float]:
            namespace.sleep(5)
            return namespace.monotonic(), namespace.urandom(4), namespace.random()

        first, second = run(scenario).result, run(scenario).result
    finally:
        del __import__("sys").modules["a_program"]
    assert first == second
    assert first[0] == 5
    assert dict(vars(namespace)) == before
    gc.collect()


def test_the_socket_of_a_transport_does_not_block() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("10.0.0.1", 1))
        its_socket = transport.get_extra_info("socket")
        its_socket.setblocking(False)
        assert its_socket.gettimeout() == 0.0
        with pytest.raises(NotSimulatedError, match="setblocking"):
            its_socket.setblocking(True)
        transport.close()

    run(scenario)
