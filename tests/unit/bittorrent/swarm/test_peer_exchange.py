"""Who is told what, how often, and what is believed (BEP 11)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from bittorrent.peer.extensions import OURS
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.events import PeersNamed
from bittorrent.swarm.peer_exchange import PeerExchange, PeerExchangeConfig
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_PEX, ExtendedHandshake
from bittorrent.wire.pex import PexFlags, PexMessage, decode_pex, encode_pex
from tests.swarm_net import SwarmNet
from tests.swarm_victim import Actor, SwarmVictim
from transfer.address import Address

GEOMETRY = Geometry(total_bytes=4 * BLOCK_SIZE, piece_length=BLOCK_SIZE)
OWN = Address("8.8.8.8", 6881)
NONE = PexFlags(0)


def some(count: int, *, first: int = 0) -> dict[Address, PexFlags]:
    return {Address(f"9.9.{number >> 8}.{number & 255}", 6881): NONE for number in range(first, first + count)}


def test_news_once_a_minute_fifty_at_a_time() -> None:
    account = PeerExchange(OWN, now=0.0)
    connected = some(120)
    told: list[Address] = []
    for minute in range(3):
        assert account.is_due(now=60.0 * minute)
        message = account.message(connected, own=OWN, now=60.0 * minute)
        assert message is not None
        assert not account.is_due(now=60.0 * minute + 59.9)
        assert message.dropped == ()
        told += [address for address, _ in message.added]
        assert len(message.added) <= 50
    assert told == list(connected)
    assert account.message(connected, own=OWN, now=180.0) is None
    assert account.is_due(now=180.0)


def test_who_left_is_dropped_and_may_come_back() -> None:
    account = PeerExchange(OWN, now=0.0)
    account.message(some(3), own=OWN, now=0.0)
    message = account.message(some(2, first=1), own=OWN, now=60.0)
    assert message == PexMessage((), (Address("9.9.0.0", 6881),))
    message = account.message(some(4), own=OWN, now=120.0)
    assert message is not None
    assert {address for address, _ in message.added} == set(some(1)) | set(some(1, first=3))
    assert message.dropped == ()


def test_nobody_is_told_about_itself() -> None:
    account = PeerExchange(OWN, now=0.0)
    assert account.message({OWN: NONE}, own=OWN, now=0.0) is None


def test_who_is_far_away_neither_hears_nor_is_believed_about_hosts_nearby() -> None:
    near = {Address("127.0.0.1", 80): NONE, Address("192.168.0.1", 80): NONE, Address("fe80::1", 80): NONE}
    far = some(1)
    for remote, expected in [
        (OWN, far),
        (Address("192.168.0.9", 1), {**far, Address("192.168.0.1", 80): NONE, Address("fe80::1", 80): NONE}),
        (Address("127.0.0.1", 1), {**far, **near}),
    ]:
        account = PeerExchange(remote, now=0.0)
        message = account.message({**near, **far}, own=remote, now=0.0)
        assert message is not None
        assert dict(message.added) == expected
        named = account.receive(PexMessage(tuple({**near, **far}.items())), now=0.0)
        assert named is not None
        assert dict(named) == expected


def test_what_cannot_be_called_is_not_believed() -> None:
    account = PeerExchange(OWN, now=0.0)
    nonsense = [Address("9.9.9.9", 0), Address("224.0.0.1", 1), Address("0.0.0.0", 1), Address("255.255.255.255", 1)]
    assert account.receive(PexMessage(tuple((address, NONE) for address in nonsense)), now=0.0) == []


def test_messages_that_come_too_often_are_ignored() -> None:
    account = PeerExchange(OWN, now=0.0, config=PeerExchangeConfig(tolerance=2))
    message = PexMessage(tuple(some(1).items()))
    results = [account.receive(message, now=now) is not None for now in (0.0, 1.0, 2.0, 61.0, 62.0, 121.0)]
    assert results == [True, True, False, True, False, True]


@pytest.mark.parametrize("wrong", ["interval_s", "max_told", "tolerance"])
def test_configs_that_make_no_sense(wrong: str) -> None:
    values: dict[str, Any] = {wrong: 0}
    with pytest.raises(ValueError, match="positive"):
        PeerExchangeConfig(**values)


# In a swarm


def begun(*, private: bool = False) -> SwarmVictim:
    return SwarmVictim(GEOMETRY, Bitfield(4), private=private)


def introduce(peer: Actor, *, port: int | None = 6881, pex: int = 7) -> None:
    handshake = ExtendedHandshake(extensions={UT_PEX: pex}, listen_port=port)
    peer.hear(wire.Extended(0, handshake.to_bytes()))


def heard(peer: Actor, number: int = 7) -> list[PexMessage]:
    return [
        decode_pex(message.payload, max_peers=100)
        for message in peer.says()
        if isinstance(message, wire.Extended) and message.extension == number
    ]


def offers(peer: Actor) -> list[int]:
    handshakes = [
        ExtendedHandshake.from_bytes(message.payload)
        for message in peer.says()
        if isinstance(message, wire.Extended) and message.extension == 0
    ]
    return [handshake.extensions[UT_PEX] for handshake in handshakes]


def test_each_peer_hears_of_the_others_that_can_be_called() -> None:
    swarm = begun()
    one, two, mute = swarm.join(host="9.0.0.1"), swarm.join(host="9.0.0.2"), swarm.join(host="9.0.0.3")
    dialled = swarm.join(host="9.0.0.4", is_dialled=True)
    introduce(one, port=1111)
    introduce(two, port=80)  # to a web server, perhaps, nobody is sent
    introduce(dialled, port=None)
    introduce(mute, port=None)
    dialled.hear(wire.HaveAll())
    swarm.later(1.0)
    assert isinstance(dialled.core.address, Address)
    seed = (dialled.core.address, PexFlags.SEED | PexFlags.REACHABLE)
    assert heard(one) == [PexMessage((seed,))]
    assert heard(two) == [PexMessage(((Address("9.0.0.1", 1111), NONE), seed))]
    assert heard(dialled) == [PexMessage(((Address("9.0.0.1", 1111), NONE),))]
    dialled.leave()
    for _ in range(58):
        swarm.later(1.0)
    assert heard(one) == []
    swarm.later(1.0)
    swarm.later(1.0)
    assert heard(one) == [PexMessage((), (seed[0],))]


def test_who_is_connected_over_utp_is_said_to_speak_it() -> None:
    swarm = begun()
    one, two = swarm.join(host="9.0.0.1"), swarm.join(host="9.0.0.2", transport="utp")
    introduce(one)
    introduce(two)
    swarm.later(1.0)
    assert heard(one) == [PexMessage(((Address("9.0.0.2", 6881), PexFlags.UTP),))]
    assert heard(two) == [PexMessage(((Address("9.0.0.1", 6881), NONE),))]


def test_who_switched_it_off_hears_nothing() -> None:
    swarm = begun()
    one, two = swarm.join(host="9.0.0.1"), swarm.join(host="9.0.0.2")
    introduce(one)
    introduce(two, pex=0)
    swarm.later(1.0)
    assert heard(one)
    assert heard(two) == []


def test_what_peers_name_is_reported() -> None:
    swarm = begun()
    peer = swarm.join(host="9.0.0.1")
    message = PexMessage((((Address("9.9.9.9", 1)), PexFlags.SEED), (Address("10.0.0.1", 1), NONE)))
    peer.hear(wire.Extended(OURS[UT_PEX], encode_pex(message)))
    assert swarm.events == [PeersNamed(((Address("9.9.9.9", 1), PexFlags.SEED),))]


def test_a_flood_of_names_ends_the_connection() -> None:
    swarm = begun()
    peer = swarm.join(host="9.0.0.1")
    payload = encode_pex(PexMessage(tuple(some(50).items())))
    peer.hear(*[wire.Extended(OURS[UT_PEX], payload)] * 40)
    assert peer.core.closed_because == "the peer floods us with messages"
    assert len(swarm.events) <= 3


def test_a_private_torrent_keeps_its_peers_to_itself() -> None:
    swarm = begun(private=True)
    one, two = swarm.join(host="9.0.0.1"), swarm.join(host="9.0.0.2")
    assert offers(one) == [0]
    introduce(one)
    introduce(two)
    one.hear(wire.Extended(OURS[UT_PEX], encode_pex(PexMessage(tuple(some(5).items())))))
    for _ in range(70):
        swarm.later(1.0)
    assert heard(one) == heard(two) == []
    assert swarm.events == []


def test_names_are_taken_before_the_metadata_but_not_given_and_not_taken_when_it_says_private() -> None:
    swarm = SwarmVictim(GEOMETRY, None)
    one, two = swarm.join(host="9.0.0.1"), swarm.join(host="9.0.0.2")
    assert offers(one) == [OURS[UT_PEX]]
    introduce(one)
    introduce(two)
    one.hear(wire.Extended(OURS[UT_PEX], encode_pex(PexMessage(tuple(some(2).items())))))
    assert [len(event.peers) for event in swarm.events if isinstance(event, PeersNamed)] == [2]
    swarm.later(1.0)
    assert heard(one) == []
    swarm.core.begin(GEOMETRY, Bitfield(4), b"d4:name1:xe", private=True, now=swarm.now)
    assert offers(one) == [0]
    swarm.events.clear()
    one.hear(wire.Extended(OURS[UT_PEX], encode_pex(PexMessage(tuple(some(2, first=7).items())))))
    for _ in range(70):
        swarm.later(1.0)
    assert heard(two) == []
    assert swarm.events == []


@pytest.mark.parametrize("is_private", [False, True])
def test_two_find_each_other_through_a_third(is_private: bool) -> None:
    net = SwarmNet(Random(1), rate_bytes_per_s=1e5)
    net.is_private = is_private
    middle, seed, leech = net.host(), net.seed(), net.host()
    middle.never_answers = True
    net.connect(middle, seed)
    net.run_until(lambda: net.now > 3)
    net.connect(leech, middle)
    net.run_until(lambda: net.now > 150)
    assert leech.core.is_complete is not is_private
    assert leech.knows(seed.address) is False  # both have everything, or never met
