from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.layered import LayerConfig, LayeredTransport
from transfer.aio.memory import MemoryNetwork, MemoryTransport
from transfer.aio.mse import Chance, MseAcceptor, MseDialler
from transfer.errors import HandshakeTimeoutError
from transfer.security.mse.keys import MseError, torrent_mark
from transfer.security.mse.method import CryptoMethod
from transfer.security.mse.responder import ResponderConfig

PREFIX = b"\x13BitTorrent protocol"
SKEY = bytes(range(20))
HOME = Address("127.0.0.1", 6881)


class Sides:
    """A listener that takes MSE, and ways to call it."""

    def __init__(self, *, takes_plain: bool = True, method: CryptoMethod = CryptoMethod.RC4) -> None:
        self.network = MemoryNetwork()
        self.below = MemoryTransport(self.network, HOME.host)
        self.accepted: list[Recorder] = []
        config = ResponderConfig(methods=(method,))
        chance = Chance(random_bytes=Random(1).randbytes, rng=Random(2))
        self.transport = LayeredTransport(
            self.below,
            dial=lambda _: MseDialler(SKEY, chance=chance),
            accept=lambda: MseAcceptor(
                {torrent_mark(SKEY): SKEY}.get,
                plain_prefix=PREFIX,
                takes_plain=takes_plain,
                config=config,
                chance=chance,
            ),
            config=LayerConfig(handshake_timeout_s=0.05),
        )

    def accept(self) -> Recorder:
        self.accepted.append(Recorder())
        return self.accepted[-1]


async def test_a_peer_without_mse_is_heard_from_its_first_byte_on() -> None:
    sides = Sides()
    async with await sides.transport.listen(sides.accept, HOME):
        transport, ours = await sides.below.connect(Recorder, HOME)
        for byte in PREFIX:
            assert not sides.accepted
            transport.write(bytes([byte]))
            await asyncio.sleep(0)
        transport.write(b" and more")
        (theirs,) = await one(sides)
        await theirs.has(len(PREFIX) + 9)
        assert bytes(theirs.data) == PREFIX + b" and more"
        assert theirs.transport.get_extra_info("encryption") is None
        theirs.transport.write(b"answer")
        await ours.has(6)
        assert bytes(ours.data) == b"answer"
        transport.abort()
        await theirs.lost()


@pytest.mark.parametrize(("method", "name"), [(CryptoMethod.RC4, "rc4"), (CryptoMethod.PLAIN, "plain")])
async def test_both_sides_can_say_what_they_speak(method: CryptoMethod, name: str) -> None:
    sides = Sides(method=method)
    async with await sides.transport.listen(sides.accept, HOME):
        transport, ours = await sides.transport.connect(Recorder, HOME)
        (theirs,) = await one(sides)
        transport.write(b"secret")
        await theirs.has(6)
        assert bytes(theirs.data) == b"secret"
        for end in (transport, theirs.transport):
            assert end.get_extra_info("encryption") == name
            assert end.get_extra_info("mse_skey") == SKEY
        transport.abort()
        await theirs.lost()
        await ours.lost()


async def test_a_peer_without_mse_is_refused_where_it_is_required() -> None:
    sides = Sides(takes_plain=False)
    async with await sides.transport.listen(sides.accept, HOME) as listener:
        transport, ours = await sides.below.connect(Recorder, HOME)
        transport.write(PREFIX)
        await ours.lost()
        assert not sides.accepted
        assert listener.refused == 1


@pytest.mark.parametrize("words", [b"", b"\x13BitTorr", b"GET / HTTP/1.1\r\n\r\n", bytes(96), b"\xff" * 96])
async def test_strangers_are_hung_up_on(words: bytes) -> None:
    """At once, or when their time is over."""
    sides = Sides()
    async with await sides.transport.listen(sides.accept, HOME) as listener:
        transport, ours = await sides.below.connect(Recorder, HOME)
        transport.write(words)
        await ours.lost()
        assert not sides.accepted
        assert listener.refused == 1


async def test_a_dialler_is_told_why_there_is_no_connection() -> None:
    sides = Sides()
    other = LayeredTransport(sides.below, dial=lambda _: MseDialler(bytes(20)), accept=lambda: MseDialler(SKEY))
    async with await sides.transport.listen(sides.accept, HOME):
        with pytest.raises((MseError, ConnectionError)):  # hung up on, by a host that does not know the torrent
            await other.connect(Recorder, HOME)
    assert not sides.accepted


async def test_a_dialler_meets_a_host_that_speaks_without_mse() -> None:
    sides = Sides()

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(PREFIX + bytes(700))

    async with await sides.below.listen(Greeter, HOME):
        with pytest.raises(MseError, match="did not prove"):
            await sides.transport.connect(Recorder, HOME)


async def one(sides: Sides) -> list[Recorder]:
    while not sides.accepted:  # noqa: ASYNC110  # a turn of the loop each
        await asyncio.sleep(0)
    return sides.accepted


async def test_a_host_that_says_nothing_is_left_and_told_apart_from_one_that_is_not_there() -> None:
    sides = Sides()
    async with await sides.below.listen(asyncio.Protocol, HOME):
        with pytest.raises(HandshakeTimeoutError, match=r"^no handshake within 0\.05 s$"):
            await sides.transport.connect(Recorder, HOME)
    with pytest.raises(ConnectionRefusedError):
        await sides.transport.connect(Recorder, HOME)
