"""Names that nobody answers for: they hold nobody up, and not the end of the process either."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.resolver import Resolver, ResolverConfig, resolve
from transfer.aio.tcp import TcpTransport
from transfer.simulation import Simulation, run

pytestmark = pytest.mark.every_event_loop

HERE = Address("127.0.0.1", 0)
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("192.0.2.7", 0))]


class NameService:
    """Takes the place of `socket.getaddrinfo`: silent about `hangs`, and one answer for all other names."""

    def __init__(self) -> None:
        self.hangs = {"hangs.example"}
        self.asked: list[str] = []
        self.released = threading.Event()

    def getaddrinfo(self, host: str, *_: object) -> object:
        self.asked.append(host)
        if host.partition(":")[0] in self.hangs:
            self.released.wait(60)
        if host == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return FOUND


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    service = NameService()
    monkeypatch.setattr(socket, "getaddrinfo", service.getaddrinfo)
    yield service
    service.released.set()


@pytest.mark.parametrize(
    ("host", "family", "name"),
    [
        ("192.0.2.7", socket.AF_INET, ("192.0.2.7", 80)),
        ("2001:db8::7", socket.AF_INET6, ("2001:db8::7", 80, 0, 0)),
        ("fe80::1%7", socket.AF_INET6, ("fe80::1%7", 80, 0, 7)),
    ],
)
async def test_an_ip_address_meets_no_name_service(
    names: NameService, host: str, family: int, name: tuple[object, ...]
) -> None:
    assert await resolve(host, 80, purpose="test") == [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", name)]
    with pytest.raises(OSError, match="family"):
        await resolve(host, 80, purpose="test", family=socket.AF_INET6 if ":" not in host else socket.AF_INET)
    assert names.asked == []


async def test_a_system_without_threads_is_an_error_that_passes(
    names: NameService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver(ResolverConfig(max_lookups=1))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        for _ in range(2):
            with pytest.raises(socket.gaierror, match="can't start new thread"):
                await resolver.resolve("found.example", 80)
    assert resolver.running == 0
    assert (await resolver.resolve("found.example", 80))[0][4] == ("192.0.2.7", 80)


async def test_an_address_is_dialled_and_listened_on_without_a_name_service(names: NameService) -> None:
    """uvloop's own `sock_connect` asks one even about addresses, in four threads for everybody."""
    transport = TcpTransport()
    async with await transport.listen(Recorder, HERE) as listener:
        stream, client = await transport.connect(Recorder, listener.addresses[0])
        stream.close()
        assert await client.lost() is None
    assert names.asked == []


async def test_names_that_hang_do_not_hold_up_others(names: NameService) -> None:
    names.hangs = {f"hangs{number}.example" for number in range(20)}
    resolver = Resolver()
    hanging = [asyncio.ensure_future(resolver.resolve(name, 1)) for name in sorted(names.hangs)]
    found = await resolver.resolve("good.example", 80)
    assert [info[4] for info in found] == [("192.0.2.7", 80)]
    assert not any(each.done() for each in hanging)
    for each in hanging:
        each.cancel()


async def test_patience_ends(names: NameService) -> None:
    resolver = Resolver()
    with pytest.raises(OSError, match=r"did not answer within 0\.01 s"):
        await resolver.resolve("hangs.example", 1, patience_s=0.01)
    assert resolver.running == 1  # the system cannot be interrupted


async def test_a_name_is_asked_for_once_at_a_time(names: NameService) -> None:
    resolver = Resolver()
    for _ in range(5):
        with pytest.raises(OSError, match="did not answer"):
            await resolver.resolve("hangs.example", 1, patience_s=0.001)
    several = [asyncio.ensure_future(resolver.resolve("hangs.example", port)) for port in (1, 2)]
    await asyncio.sleep(0)
    names.released.set()
    assert [(await each)[0][4][1] for each in several] == [1, 2]
    assert names.asked == ["hangs.example"]


async def test_there_is_a_bound_on_names_asked_for_and_on_those_that_wait(names: NameService) -> None:
    names.hangs = {"a", "b"}
    resolver = Resolver(ResolverConfig(max_lookups=2, max_waiting=2))
    first = [asyncio.ensure_future(resolver.resolve(name, 1)) for name in ("a", "b", "c", "d")]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many"):
        await resolver.resolve("e", 1)
    first.pop().cancel()  # d wants to know no longer
    await asyncio.sleep(0)
    last = asyncio.ensure_future(resolver.resolve("f", 1))
    await asyncio.sleep(0)
    assert resolver.running == 2
    names.released.set()
    await asyncio.gather(*first, last)
    assert sorted(names.asked[:2]) == ["a", "b"]
    assert names.asked[2:] in (["c", "f"], ["f", "c"])


@pytest.mark.parametrize("name", ["unknown.example", "a..b", "x" * 64 + ".example"])
async def test_what_is_no_name_is_an_os_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name == "unknown.example":
        monkeypatch.setattr(socket, "getaddrinfo", NameService().getaddrinfo)
    with pytest.raises(OSError, match=r"not known|not a host name"):
        await resolve(name, 1, purpose="test")


def test_a_simulated_network_has_names_of_its_own() -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.names["here.example"] = ("10.0.0.1", "fd00::1")
        found = await resolve("here.example", 7, purpose="test", kind=socket.SOCK_DGRAM)
        assert [info[4][:2] for info in found] == [("10.0.0.1", 7), ("fd00::1", 7)]
        with pytest.raises(OSError, match="not known"):
            await resolve("python.org", 7, purpose="test")

    run(scenario)


HANGING_PROGRAM = """
import asyncio, socket, sys, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from transfer.aio.resolver import resolve
async def main():
    for number in range(8):
        asyncio.ensure_future(resolve(f"hangs{number}.example", 1, purpose="test"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    print("done", flush=True)
with asyncio.Runner(loop_factory=LOOP) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", ["None", "__import__('uvloop').new_event_loop"])
def test_a_process_that_is_done_does_not_wait_for_a_name_service(loop: str) -> None:
    """These look-ups never end, so that neither would the process."""
    if loop != "None":
        pytest.importorskip("uvloop")
    program = HANGING_PROGRAM.replace("LOOP", loop)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("delay_s", [0.25, None])
async def test_the_first_address_of_a_name_that_accepts_is_taken(
    monkeypatch: pytest.MonkeyPatch, delay_s: float | None
) -> None:
    from transfer.aio.tcp import TcpConfig

    transport = TcpTransport(TcpConfig(happy_eyeballs_delay_s=delay_s))
    several = [(*FOUND[0][:4], (host, 0)) for host in ("127.0.0.3", "127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: several)
    async with await transport.listen(Recorder, HERE) as listener:
        target = Address("several.example", listener.addresses[0].port)
        stream, client = await transport.connect(Recorder, target)
        assert Address.from_socket(stream.get_extra_info("peername")) == listener.addresses[0]
        stream.close()
        assert await client.lost() is None
    with pytest.raises(ConnectionRefusedError):
        await transport.connect(Recorder, target)
