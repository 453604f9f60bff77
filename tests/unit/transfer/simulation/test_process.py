"""What a program sees of clocks, chance and identity, twice the same; and signals of its host."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import os
import platform
import random
import secrets
import signal
import socket
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from transfer.simulation import NotSimulatedError, Simulation, run

MADE_BEFORE = random.Random()
SEEDED_BEFORE = random.Random(5)


class OwnRandom(random.Random):
    """A generator of a program's own kind."""


OWN_MADE_BEFORE = OwnRandom()


def _raw_private(kind: Any) -> Any:
    return kind.generate().private_bytes_raw()


def _reseeded() -> float:
    random.seed()
    return random.random()


DRAWS: dict[str, Callable[[], Any]] = {
    "random": lambda: random.random(),
    "random.seed": _reseeded,
    "random.shuffle": lambda: random.sample(range(100), 5),
    "Random": lambda: random.Random().random(),
    "Random made before": lambda: (MADE_BEFORE.random(), MADE_BEFORE.choice("abcdefgh"), MADE_BEFORE.randbytes(4)),
    "Random of a kind made before": lambda: OWN_MADE_BEFORE.random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "os.urandom": lambda: os.urandom(8),
    "os.getrandom": lambda: os.getrandom(8),
    "secrets": lambda: (secrets.token_hex(), secrets.randbelow(10**9)),
    "ssl.RAND_bytes": lambda: ssl.RAND_bytes(8),
    "uuid1": lambda: (uuid.uuid1(), uuid.uuid1()),
    "uuid4": uuid.uuid4,
    "X25519": lambda: _raw_private(x25519.X25519PrivateKey),
    "Ed25519": lambda: _raw_private(ed25519.Ed25519PrivateKey),
    "an elliptic curve": lambda: ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value,
    "ECDSA": lambda: ec.derive_private_key(5, ec.SECP256R1()).sign(b"text", ec.ECDSA(hashes.SHA256())),
}
SEEDLESS = {"ECDSA"}


@pytest.mark.parametrize("name", DRAWS)
def test_chance_comes_from_the_seed(name: str) -> None:
    async def scenario(simulation: Simulation) -> list[Any]:
        return [DRAWS[name]() for _ in range(2)]

    states = [generator.getstate() for generator in (MADE_BEFORE, OWN_MADE_BEFORE)]
    state = random.getstate()
    first, second, other = (run(scenario, seed=seed).result for seed in (1, 1, 2))
    assert first == second
    if name not in SEEDLESS:
        assert first[0] != first[1]
        assert first != other
    assert [generator.getstate() for generator in (MADE_BEFORE, OWN_MADE_BEFORE)] == states
    assert random.getstate() == state
    assert type(MADE_BEFORE) is random.Random


def test_a_generator_with_a_seed_stays_what_it_is() -> None:
    expected = random.Random()
    expected.setstate(SEEDED_BEFORE.getstate())
    copied = random.Random()
    copied.setstate(SEEDED_BEFORE.getstate())

    async def scenario(simulation: Simulation) -> tuple[float, float, float]:
        return SEEDED_BEFORE.random(), copied.random(), random.Random(7).random()

    draw = expected.random()
    assert run(scenario).result == (draw, draw, random.Random(7).random())


CLOCKS: dict[str, tuple[Callable[[], Any], Any]] = {
    "time.time": (lambda: time.time(), 1_577_836_802.5),
    "time.time_ns": (lambda: time.time_ns(), 1_577_836_802_500_000_000),
    "time.monotonic": (lambda: time.monotonic(), 2.5),
    "time.monotonic_ns": (lambda: time.monotonic_ns(), 2_500_000_000),
    "time.perf_counter": (lambda: time.perf_counter(), 2.5),
    "time.process_time": (lambda: time.process_time(), 2.5),
    "time.thread_time_ns": (lambda: time.thread_time_ns(), 2_500_000_000),
    "clock_gettime REALTIME": (lambda: time.clock_gettime(time.CLOCK_REALTIME), 1_577_836_802.5),
    "clock_gettime MONOTONIC": (lambda: time.clock_gettime(time.CLOCK_MONOTONIC), 2.5),
    "clock_gettime_ns BOOTTIME": (lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), 2_500_000_000),
    "time.gmtime": (lambda: time.gmtime()[:6], (2020, 1, 1, 0, 0, 2)),
    "time.localtime": (lambda: time.localtime()[:6], (2020, 1, 1, 0, 0, 2)),
    "time.localtime of a time": (lambda: time.localtime(0)[:6], (1970, 1, 1, 0, 0, 0)),
    "time.ctime": (lambda: time.ctime(), "Wed Jan  1 00:00:02 2020"),
    "time.asctime": (lambda: time.asctime(), "Wed Jan  1 00:00:02 2020"),
    "time.strftime": (lambda: time.strftime("%Y-%m-%d %H:%M:%S %Z"), "2020-01-01 00:00:02 UTC"),
    "time.mktime": (lambda: time.mktime((2020, 1, 1, 0, 0, 0, 0, 0, 0)), 1_577_836_800),
    "datetime.now": (lambda: datetime.datetime.now(), datetime.datetime(2020, 1, 1, 0, 0, 2, 500_000)),
    "datetime.today": (lambda: datetime.datetime.today(), datetime.datetime(2020, 1, 1, 0, 0, 2, 500_000)),
    "datetime.utcnow": (lambda: datetime.datetime.utcnow().second, 2),
    "datetime.now(UTC)": (lambda: datetime.datetime.now(datetime.UTC).timestamp(), 1_577_836_802.5),
    "datetime.fromtimestamp": (lambda: datetime.datetime.fromtimestamp(0).hour, 0),
    "datetime.timestamp": (lambda: datetime.datetime(1970, 1, 1).timestamp(), 0),
    "datetime.astimezone": (lambda: datetime.datetime(1970, 1, 1).astimezone().utcoffset(), datetime.timedelta(0)),
    "date.today": (lambda: datetime.date.today(), datetime.date(2020, 1, 1)),
    "date.fromtimestamp": (lambda: datetime.date.fromtimestamp(86_399), datetime.date(1970, 1, 1)),
    "email": (lambda: email.utils.formatdate(localtime=True), "Wed, 01 Jan 2020 00:00:02 +0000"),
    "os.times": (lambda: os.times().elapsed, 2.5),
}


@pytest.mark.parametrize("name", CLOCKS)
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_clocks_show_virtual_time_in_utc(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        read, expected = CLOCKS[name]

        async def scenario(simulation: Simulation) -> Any:
            await asyncio.sleep(2)
            time.sleep(0.5)  # noqa: ASYNC251  # the loop stands, and time goes on
            return read()

        assert run(scenario).result == expected
        assert time.localtime(0).tm_hour == 5
        assert datetime.datetime.fromtimestamp(0).hour == 5
    finally:
        monkeypatch.undo()
        time.tzset()


def test_each_host_is_a_machine_of_its_own() -> None:
    async def scenario(simulation: Simulation) -> list[Any]:
        simulation.names["files.example"] = "10.0.0.1"
        seen = []
        for address in ("10.0.0.1", "10.0.0.2"):
            with simulation.host(address):
                names = {socket.gethostname(), platform.node(), os.uname().nodename}
                seen.append((os.getpid(), uuid.getnode(), *names, socket.gethostbyname(socket.gethostname())))
        return seen

    first, second = run(scenario).result
    assert first[2:] == ("files.example", "10.0.0.1")
    assert second[2:] == ("10.0.0.2", "10.0.0.2")
    assert first[:2] != second[:2]
    assert first[0] != os.getpid()


def test_look_ups_know_the_simulated_names_only() -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.names["files.example"] = ["10.0.0.1", "fd00::1"]
        infos = socket.getaddrinfo("files.example", 80, proto=socket.IPPROTO_TCP)
        assert [info[4][0] for info in infos] == ["10.0.0.1", "fd00::1"]
        assert socket.gethostbyname_ex("files.example") == ("files.example", [], ["10.0.0.1"])
        assert socket.gethostbyaddr("10.0.0.1")[0] == socket.getfqdn("10.0.0.1") == "files.example"
        assert socket.getnameinfo(("fd00::1", 80, 0, 0), 0) == ("files.example", "80")
        assert socket.if_nametoindex("lo") == 1
        assert socket.if_indextoname(2) == socket.if_nameindex()[1][1]
        for call in (socket.gethostbyname, socket.gethostbyaddr):
            with pytest.raises(socket.gaierror):
                call("python.org")
        with pytest.raises(socket.herror):
            socket.gethostbyaddr("10.0.0.9")

    run(scenario)


def test_temporary_files_are_real_and_take_nothing_from_the_seed() -> None:
    async def scenario(simulation: Simulation) -> tuple[bytes, str]:
        with tempfile.TemporaryDirectory() as folder:
            return os.urandom(4), folder

    first, second = run(scenario).result, run(scenario).result
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_signals_reach_the_program_of_a_host() -> None:
    async def scenario(simulation: Simulation) -> list[str]:
        loop = asyncio.get_running_loop()
        heard: list[str] = []
        for address in ("10.0.0.1", "10.0.0.2"):
            with simulation.host(address):
                loop.add_signal_handler(signal.SIGTERM, heard.append, f"loop {address}")
                before = signal.signal(signal.SIGUSR1, lambda *_, address=address: heard.append(f"signal {address}"))
                assert before is signal.SIG_DFL
                assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with simulation.host("10.0.0.1"):
            os.kill(os.getpid(), signal.SIGTERM)
            signal.raise_signal(signal.SIGUSR1)
            own = os.getpid()
        simulation.send_signal("10.0.0.2", signal.SIGUSR1)
        os.kill(own, 0)
        await asyncio.sleep(0)
        with simulation.host("10.0.0.1"):
            assert loop.remove_signal_handler(signal.SIGTERM)
            assert not loop.remove_signal_handler(signal.SIGTERM)
            with pytest.raises(NotSimulatedError, match="would end"):
                os.kill(own, signal.SIGTERM)
            with pytest.raises(RuntimeError, match="cannot be caught"):
                loop.add_signal_handler(signal.SIGKILL, print)
            with pytest.raises(ProcessLookupError):
                os.kill(1, signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.kill(own, signal.SIGTERM)
        simulation.crash("10.0.0.2")
        with pytest.raises(ProcessLookupError):
            simulation.send_signal("10.0.0.2", signal.SIGUSR1)
        return heard

    before = signal.getsignal(signal.SIGTERM)
    assert run(scenario).result == ["signal 10.0.0.1", "signal 10.0.0.2", "loop 10.0.0.1"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_waiting_with_a_timeout_in_a_coroutine_holds_the_loop_up() -> None:
    async def scenario(simulation: Simulation) -> tuple[bool, float]:
        return threading.Event().wait(4), simulation.now

    assert run(scenario).result == (False, 4)


def test_the_loop_has_the_attributes_of_asyncio() -> None:
    async def scenario(simulation: Simulation) -> float:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.5
        return loop.slow_callback_duration

    assert run(scenario, debug=True).result == 0.5


def test_a_number_by_the_clock_tells_the_time() -> None:
    async def scenario(simulation: Simulation) -> float:
        await asyncio.sleep(100)
        since_1582_s = uuid.uuid1().time / 10**7  # RFC 9562, section 5.1: 100 ns since 15 October 1582
        return (
            since_1582_s
            - (datetime.datetime(1970, 1, 1) - datetime.datetime(1582, 10, 15)).total_seconds()
            - time.time()
        )

    assert abs(run(scenario).result) < 0.001


def test_numbers_by_the_clock_that_are_drawn_at_one_moment_follow_each_other() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        drawn = [uuid.uuid1().time for _ in range(3)]
        await asyncio.sleep(1)
        return [*drawn, uuid.uuid1().time]

    first, *rest = run(scenario).result
    assert [time - first for time in rest] == [1, 2, 10**7]  # in steps of 100 ns
