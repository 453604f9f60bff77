"""The transport that waits for an introduction before it dials, and dials at once when it was introduced unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, cast

import pytest

from bittorrent.aio.peers.private_calls import is_behind_nat
from bittorrent.aio.peers.punching import PunchingTransport
from bittorrent.swarm.events import PunchFailed, PunchWanted
from bittorrent.swarm.punching.core import SwarmPunching
from transfer.address import Address
from transfer.aio.transports import StreamTransport
from transfer.simulation import Simulation, run

PEER, MOVED, RELAY = Address("8.8.8.8", 6881), Address("8.8.8.8", 50_000), Address("9.9.9.9", 6881)


class Relays:
    """As `SwarmPunching` has it: who is asked, in turn, and what became of it."""

    def __init__(self, count: int) -> None:
        self.is_offered = False
        self.asked: list[int] = []
        self.given_up = 0
        self._count = count

    def ask(self, address: Address, *, besides: Collection[int] = (), now: float) -> int | None:
        number = next((number for number in range(1, self._count + 1) if number not in besides), None)
        if number is not None:
            self.asked.append(number)
        return number

    def give_up(self, address: Address) -> None:
        self.given_up += 1


class Dials:
    """A carrier that keeps account of whom it was to call, and when."""

    def __init__(self) -> None:
        self.called: list[tuple[Address, float]] = []

    async def connect(self, protocol_factory: Callable[[], Any], address: Address) -> Any:
        self.called.append((address, asyncio.get_running_loop().time()))
        return "transport", "protocol"


def play(relays: Relays, scenario: Callable[[PunchingTransport], Any], *, invites: bool = True) -> Dials:
    """Runs something with the transport, in virtual time from 0 on."""
    dials = Dials()

    async def whole(simulation: Simulation) -> None:
        transport = PunchingTransport(
            cast("SwarmPunching", relays),
            cast("StreamTransport", dials),
            pump=lambda: None,
            invite=lambda address: invites,
            answer_s=3.0,
        )
        await scenario(transport)
        assert not transport._waiting

    run(whole)
    return dials


def test_silent_relays_and_those_that_refuse_are_followed_by_the_next_and_the_answer_says_where() -> None:
    relays = Relays(5)

    async def scenario(transport: PunchingTransport) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(4.0, transport.receive, PunchFailed(PEER, 2))  # the first was silent for three seconds
        loop.call_later(5.0, transport.receive, PunchWanted(MOVED, RELAY, PEER))
        await transport.connect(asyncio.Protocol, PEER)

    assert play(relays, scenario).called == [(MOVED, 5.0)]
    assert relays.asked == [1, 2, 3]
    assert relays.given_up == 3
    assert relays.is_offered


@pytest.mark.parametrize(("count", "asked", "took_s"), [(0, [], 0.0), (1, [1], 3.0), (9, [1, 2, 3], 9.0)])
def test_nobody_who_introduces_us_is_a_refusal(count: int, asked: list[int], took_s: float) -> None:
    relays = Relays(count)

    async def scenario(transport: PunchingTransport) -> None:
        with pytest.raises(ConnectionRefusedError, match=r"^nobody introduces us to 8\.8\.8\.8:6881$"):
            await transport.connect(asyncio.Protocol, PEER)
        assert asyncio.get_running_loop().time() == pytest.approx(took_s)

    assert play(relays, scenario).called == []
    assert relays.asked == asked


def test_who_is_introduced_unasked_is_dialled_at_once_and_only_while_that_is_fresh() -> None:
    relays = Relays(0)

    async def scenario(transport: PunchingTransport) -> None:
        transport.receive(PunchWanted(PEER, RELAY, None))
        await transport.connect(asyncio.Protocol, PEER)
        transport.receive(PunchWanted(PEER, RELAY, None))
        await asyncio.sleep(4.0)
        with pytest.raises(ConnectionRefusedError):
            await transport.connect(asyncio.Protocol, PEER)

    assert play(relays, scenario).called == [(PEER, 0.0)]


def test_who_may_not_be_called_is_not_remembered_and_answers_that_nobody_waits_for_are_nothing() -> None:
    async def scenario(transport: PunchingTransport) -> None:
        for number in range(1, 200):
            transport.receive(PunchWanted(Address("8.8.8.8", number), RELAY, None))
        assert not transport._introduced
        transport.receive(PunchWanted(PEER, RELAY, PEER))
        transport.receive(PunchFailed(PEER, 4))

    play(Relays(0), scenario, invites=False)


def test_a_call_that_is_given_up_takes_its_wish_back() -> None:
    relays = Relays(1)

    async def scenario(transport: PunchingTransport) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await transport.connect(asyncio.Protocol, PEER)

    assert play(relays, scenario).called == []
    assert relays.given_up == 1


@pytest.mark.parametrize(
    ("inside", "listens_at", "expected"),
    [
        ("192.168.1.2", "0.0.0.0", True),
        ("192.168.1.2", "192.168.1.2", True),
        ("8.8.8.8", "0.0.0.0", False),
        ("192.168.1.2", "127.0.0.1", False),
        ("192.168.1.2", "::", False),
    ],
)
def test_a_private_way_to_the_internet_is_one_through_a_box(inside: str, listens_at: str, expected: bool) -> None:
    async def scenario(simulation: Simulation) -> bool:
        box = simulation.nat("7.7.7.7")
        with simulation.host(inside, behind=box if expected else None):
            return await is_behind_nat(listens_at)

    assert run(scenario).result is expected
