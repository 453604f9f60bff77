"""Noise and multistream-select as layers, over memory."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.conformance.plugs import noisy
from tests.conformance.protocols import Recorder
from transfer.address import Address
from transfer.aio.layer import Layer
from transfer.aio.layered import LayerConfig, LayeredDialler, LayeredTransport
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.aio.negotiation import ChoosingLayer, ProposingLayer
from transfer.aio.noise import NoiseLayer
from transfer.errors import HandshakeTimeoutError
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.negotiation.errors import NegotiationError, NoCommonProtocolError
from transfer.negotiation.tokens import HEADER, encode_token
from transfer.security.noise.errors import NoiseError

KEYS = [PrivateKey.from_seed(bytes(31) + bytes([number])) for number in range(3)]
HERE = Address("127.0.0.1", 0)


def noise(number: int, *, is_initiator: bool, expected: PeerId | None = None, muxers: Any = ()) -> NoiseLayer:
    return NoiseLayer(
        is_initiator=is_initiator,
        identity=KEYS[number],
        static=X25519PrivateKey.generate(),
        expected=expected,
        muxers=muxers,
    )


def through_noise(below: Any, *, expected: PeerId | None = None, ours: Any = (), theirs: Any = ()) -> LayeredTransport:
    return LayeredTransport(
        below,
        dial=lambda _: noise(0, is_initiator=True, expected=expected, muxers=ours),
        accept=lambda: noise(1, is_initiator=False, muxers=theirs),
        config=LayerConfig(handshake_timeout_s=0.2),
    )


async def test_each_side_knows_the_other_and_the_muxer() -> None:
    transport = through_noise(MemoryTransport(MemoryNetwork()), ours=["/a", "/b"], theirs=["/c", "/b"])
    accepted: asyncio.Queue[Recorder] = asyncio.Queue()

    def accept() -> Recorder:
        accepted.put_nowait(Recorder())
        return accepted._queue[-1]  # type: ignore[attr-defined,no-any-return]

    async with await transport.listen(accept, HERE) as listener:
        ours, _ = await transport.connect(Recorder, listener.addresses[0])
        theirs = await accepted.get()
        assert ours.get_extra_info("peer_id") == KEYS[1].peer_id
        assert theirs.transport.get_extra_info("peer_id") == KEYS[0].peer_id
        assert theirs.transport.get_extra_info("public_key") == KEYS[0].public_key
        assert ours.get_extra_info("muxer") == theirs.transport.get_extra_info("muxer") == "/b"
        content = random.Random(1).randbytes(200_000)
        ours.write(content)
        assert await theirs.has(len(content)) == content
        ours.abort()


async def test_another_peer_than_was_called_is_refused_by_name() -> None:
    transport = through_noise(MemoryTransport(MemoryNetwork()), expected=KEYS[2].peer_id)
    async with await transport.listen(Recorder, HERE) as listener:
        with pytest.raises(NoiseError, match=f"the other side is {KEYS[1].peer_id}, not {KEYS[2].peer_id}"):
            await transport.connect(Recorder, listener.addresses[0])


async def test_muxers_that_do_not_meet_end_the_handshake() -> None:
    transport = through_noise(MemoryTransport(MemoryNetwork()), ours=["/a"], theirs=["/b"])
    async with await transport.listen(Recorder, HERE) as listener:
        with pytest.raises((NoiseError, ConnectionResetError)):
            await transport.connect(Recorder, listener.addresses[0])


async def test_a_silent_side_is_given_up() -> None:
    below = MemoryTransport(MemoryNetwork())
    async with await below.listen(asyncio.Protocol, HERE) as listener:
        with pytest.raises(HandshakeTimeoutError):
            await through_noise(below).connect(Recorder, listener.addresses[0])


class Flips(Layer):
    """Changes one bit of what is sent behind the handshake."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def begin(self) -> None:
        self.open()

    def send(self, chunks: Any) -> None:
        data = bytearray(b"".join(chunks))
        if 0 <= self._left < len(data):
            data[self._left] ^= 1
        self._left -= len(data)
        self.below.write(bytes(data))


@pytest.mark.parametrize("at", [600, 20_000, 70_000])
async def test_one_bit_that_was_changed_ends_the_connection(at: int) -> None:
    below = MemoryTransport(MemoryNetwork(MemoryConfig(read_bytes=9_973)))
    changing = LayeredTransport(below, dial=lambda _: Flips(at), accept=Layer)
    received = Recorder()
    transport = through_noise(changing)
    async with await transport.listen(lambda: received, HERE) as listener:
        ours, _ = await transport.connect(Recorder, listener.addresses[0])
        ours.write(bytes(100_000))
        error = await received.lost()
        assert isinstance(error, NoiseError)
        assert len(received.data) <= at, "nothing of the record that was changed is handed on"
        ours.abort()


# multistream-select


def agreeing(below: Any, *, ours: list[str], theirs: set[str], is_lazy: bool = False) -> LayeredTransport:
    return LayeredTransport(
        below,
        dial=lambda _: ProposingLayer(ours, says="protocol", is_lazy=is_lazy),
        accept=lambda: ChoosingLayer(theirs.__contains__, says="protocol"),
    )


async def test_the_first_that_both_speak_is_taken_and_what_follows_is_handed_on() -> None:
    transport = agreeing(MemoryTransport(MemoryNetwork(MemoryConfig(read_bytes=5))), ours=["/a", "/b"], theirs={"/b"})
    received = Recorder()
    async with await transport.listen(lambda: received, HERE) as listener:
        ours, _ = await transport.connect(Recorder, listener.addresses[0])
        ours.write(b"hello")
        assert await received.has(5) == b"hello"
        assert ours.get_extra_info("protocol") == received.transport.get_extra_info("protocol") == "/b"
        ours.abort()


async def test_nothing_in_common_is_told_by_name() -> None:
    transport = agreeing(MemoryTransport(MemoryNetwork()), ours=["/a", "/b"], theirs={"/c"})
    async with await transport.listen(Recorder, HERE) as listener:
        with pytest.raises(NoCommonProtocolError, match="none of /a, /b"):
            await transport.connect(Recorder, listener.addresses[0])


class Says(asyncio.Protocol):
    """The other side of a lazy proposal: collects what comes, and answers when it is told to."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.ended.set()
        return True


HEAD = encode_token(HEADER) + encode_token("/a")


@pytest.mark.parametrize("way", ["half-close", "close"])
async def test_what_is_taken_for_granted_leaves_at_once_and_the_end_waits_for_the_answer(way: str) -> None:
    below, other = MemoryTransport(MemoryNetwork()), Says()
    async with await below.listen(lambda: other, HERE) as listener:
        transport = LayeredDialler(below, dial=lambda _: ProposingLayer(["/a", "/b"], says="protocol", is_lazy=True))
        ours, recorder = await transport.connect(Recorder, listener.addresses[0])
        ours.write(b"early")
        ours.write_eof() if way == "half-close" else ours.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert other.data == HEAD + b"early"
        assert not other.ended.is_set()
        other.transport.write(HEAD + b"answer")
        if way == "half-close":
            assert await recorder.has(6) == b"answer"
        else:
            assert await recorder.lost() is None
        await other.ended.wait()
        ours.abort()


async def test_a_refusal_of_what_was_taken_for_granted_is_a_lost_connection() -> None:
    below, other = MemoryTransport(MemoryNetwork()), Says()
    async with await below.listen(lambda: other, HERE) as listener:
        transport = LayeredDialler(below, dial=lambda _: ProposingLayer(["/a"], says="protocol", is_lazy=True))
        _, recorder = await transport.connect(Recorder, listener.addresses[0])
        other.transport.write(encode_token(HEADER) + encode_token("na"))
        assert isinstance(await recorder.lost(), NoCommonProtocolError)


async def test_an_end_instead_of_an_answer_is_an_error() -> None:
    below, other = MemoryTransport(MemoryNetwork()), Says()
    async with await below.listen(lambda: other, HERE) as listener:
        transport = LayeredDialler(below, dial=lambda _: ProposingLayer(["/a"], says="protocol", is_lazy=True))
        _, recorder = await transport.connect(Recorder, listener.addresses[0])
        other.transport.write_eof()
        assert isinstance(await recorder.lost(), NegotiationError)


async def test_many_connections_share_their_buffers() -> None:
    from transfer.aio import noise as module

    transport = noisy(MemoryTransport(MemoryNetwork()))
    async with await transport.listen(Recorder, HERE) as listener:
        opened = [await transport.connect(Recorder, listener.addresses[0]) for _ in range(20)]
        assert len(module._buffers) <= module.MAX_BUFFERS
        for connection, _ in opened:
            layer: Any = connection
            while not isinstance(layer, NoiseLayer):
                layer = layer.below
            assert layer._lent is None
            connection.abort()
