"""Who introduces whom to whom, who is believed, and what a peer may make others do (BEP 55)."""

from __future__ import annotations

import pytest

from bittorrent.peer.extensions import OURS
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.events import PunchFailed, PunchWanted
from bittorrent.swarm.punching.config import PunchingConfig
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_HOLEPUNCH, UT_PEX, ExtendedHandshake
from bittorrent.wire.holepunch import (
    PunchConnect,
    PunchError,
    PunchMessage,
    PunchRefused,
    Rendezvous,
    decode_holepunch,
    encode_holepunch,
)
from bittorrent.wire.pex import PexFlags, PexMessage, decode_pex, encode_pex
from tests.swarm_victim import Actor, SwarmVictim
from transfer.address import Address

GEOMETRY = Geometry(total_bytes=4 * BLOCK_SIZE, piece_length=BLOCK_SIZE)
THEIRS = 9  # under which the peers want to receive
ASKER, TARGET = "8.8.8.8", "9.9.9.9"
STRANGER = Address("7.7.7.7", 6881)


def swarm(*, private: bool = False, offered: bool = True, **bounds: float) -> SwarmVictim:
    config = SwarmConfig(punching=PunchingConfig(**bounds))  # type: ignore[arg-type]
    victim = SwarmVictim(GEOMETRY, Bitfield(4), config=config)
    victim.core.exchange.punching.is_offered = offered
    victim.core.exchange.begin(private=private)
    return victim


def join(victim: SwarmVictim, host: str, *, knows: bool = True, transport: str = "utp", port: int = 6881) -> Actor:
    peer = victim.join(host=host, transport=transport)
    extensions = {UT_PEX: 7, **({UT_HOLEPUNCH: THEIRS} if knows else {})}
    peer.hear(wire.Extended(0, ExtendedHandshake(extensions=extensions, listen_port=port).to_bytes()))
    peer.says()
    return peer


def say(peer: Actor, *messages: PunchMessage) -> None:
    peer.hear(*(wire.Extended(OURS[UT_HOLEPUNCH], encode_holepunch(message)) for message in messages))


def heard(peer: Actor) -> list[PunchMessage | None]:
    return [
        decode_holepunch(message.payload)
        for message in peer.says()
        if isinstance(message, wire.Extended) and message.extension == THEIRS
    ]


def wanted(victim: SwarmVictim) -> list[PunchWanted | PunchFailed]:
    found = [event for event in victim.events if isinstance(event, PunchWanted | PunchFailed)]
    victim.events.clear()
    return found


# As a relay


def test_two_connected_peers_are_told_to_call_each_other() -> None:
    victim = swarm()
    asker, target, other = (join(victim, host) for host in (ASKER, TARGET, "7.7.7.7"))
    say(asker, Rendezvous(Address(TARGET, 6881)))
    assert heard(target) == [PunchConnect(Address(ASKER, 6881))]
    assert heard(asker) == [PunchConnect(Address(TARGET, 6881))]
    assert heard(other) == []
    assert victim.core.exchange.punching.relay.introduced == 1
    assert not wanted(victim), "the relay itself calls nobody"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (STRANGER, PunchError.NOT_CONNECTED),
        (Address(TARGET, 80), PunchError.NOT_CONNECTED),
        (Address(ASKER, 6881), PunchError.NO_SELF),
        (Address("7.7.7.1", 6881), PunchError.NO_SUPPORT),
        (Address(TARGET, 0), PunchError.NO_SUCH_PEER),
        (Address("0.0.0.0", 6881), PunchError.NO_SUCH_PEER),
        (Address("224.0.0.1", 6881), PunchError.NO_SUCH_PEER),
        (Address("ff02::1", 6881), PunchError.NO_SUCH_PEER),
        (Address("127.0.0.1", 22), PunchError.NOT_CONNECTED),
    ],
)
def test_who_cannot_be_introduced_is_told_why_and_nobody_else_hears_of_it(address: Address, expected: int) -> None:
    victim = swarm()
    asker, target, mute = join(victim, ASKER), join(victim, TARGET), join(victim, "7.7.7.1", knows=False)
    say(asker, Rendezvous(address))
    assert heard(asker) == [PunchRefused(address, expected)]
    assert heard(target) == heard(mute) == []
    assert not asker.core.is_closed


def test_peers_over_tcp_are_known_by_where_they_listen_and_by_where_they_come_from() -> None:
    """Their own word for the port counts for their own host only."""
    victim = swarm()
    asker = join(victim, ASKER, transport="tcp", port=7001)
    target = join(victim, TARGET, transport="tcp", port=7002)
    for named in (7002, 6881):
        say(asker, Rendezvous(Address(TARGET, named)))
        assert heard(target) == [PunchConnect(Address(ASKER, 7001))]
        assert heard(asker) == [PunchConnect(Address(TARGET, 7002))]
    say(asker, Rendezvous(Address(ASKER, 7001)))
    assert heard(asker) == [PunchRefused(Address(ASKER, 7001), PunchError.NO_SELF)]


def test_peers_that_cannot_see_each_other_are_not_told_to_call() -> None:
    """A peer of our own network is not introduced to one of the internet, nor the other way round."""
    victim = swarm()
    near, far = join(victim, "192.168.1.9"), join(victim, TARGET)
    say(near, Rendezvous(Address(TARGET, 6881)))
    say(far, Rendezvous(Address("192.168.1.9", 6881)))
    assert heard(near) == [PunchRefused(Address(TARGET, 6881), PunchError.NOT_CONNECTED)]
    assert heard(far) == [PunchRefused(Address("192.168.1.9", 6881), PunchError.NOT_CONNECTED)]


def test_a_peer_that_does_not_know_hole_punching_itself_gets_nothing_and_is_put_out_in_the_end() -> None:
    victim = swarm()
    mute, target = join(victim, ASKER, knows=False), join(victim, TARGET)
    for _ in range(30):
        say(mute, Rendezvous(Address(TARGET, 6881)), PunchConnect(STRANGER))
    assert heard(target) == []
    assert mute.core.closed_because == "the peer floods us with messages"
    assert not wanted(victim)


def test_a_flood_of_wishes_is_bounded_by_who_asks_and_by_who_is_asked_for() -> None:
    victim = swarm(rendezvous_burst=5.0, introductions_burst=7.0)
    target = join(victim, TARGET)
    first, second = join(victim, ASKER), join(victim, "8.8.4.4")
    for asker in (first, second):
        say(asker, *[Rendezvous(Address(TARGET, 6881))] * 8)
    assert len(heard(target)) == 7
    assert [type(answer) for answer in heard(second)] == [PunchConnect] * 2 + [PunchRefused] * 3
    for _ in range(20):
        say(first, *[Rendezvous(Address(TARGET, 6881))] * 8)
    assert first.core.is_closed
    victim.later(60.0)
    say(second, Rendezvous(Address(TARGET, 6881)))
    assert heard(second) == [PunchConnect(Address(TARGET, 6881))]


@pytest.mark.parametrize("options", [{"private": True}, {"offered": False}])
def test_private_torrents_and_sessions_without_utp_know_nothing_of_it(options: dict[str, bool]) -> None:
    victim = swarm(**options)
    peer, target = victim.join(host=ASKER), join(victim, TARGET)
    hello = next(message for message in peer.says() if isinstance(message, wire.Extended))
    assert ExtendedHandshake.from_bytes(hello.payload).extensions[UT_HOLEPUNCH] == 0
    peer.hear(wire.Extended(0, ExtendedHandshake(extensions={UT_HOLEPUNCH: THEIRS}).to_bytes()))
    say(peer, Rendezvous(Address(TARGET, 6881)), PunchConnect(STRANGER))
    assert heard(peer) == heard(target) == []
    assert not wanted(victim)


def test_a_message_that_is_cut_short_ends_the_connection() -> None:
    victim = swarm()
    peer = join(victim, ASKER)
    peer.hear(wire.Extended(OURS[UT_HOLEPUNCH], b"\0\0\1\2"))
    assert peer.core.closed_because == "the peer's hole punching message ends after 4 bytes of 8"


# As the one that is introduced


def test_a_connect_that_we_did_not_ask_for_is_followed_within_bounds() -> None:
    victim = swarm(calls_per_relay_burst=3.0, calls_burst=5.0)
    one, other = join(victim, ASKER), join(victim, TARGET)
    targets = [Address(f"7.7.7.{number}", 6881) for number in range(1, 9)]
    say(one, *map(PunchConnect, targets))
    relay = Address(ASKER, 6881)
    assert wanted(victim) == [PunchWanted(target, relay, None) for target in targets[:3]]
    say(other, *map(PunchConnect, targets))
    assert len(wanted(victim)) == 2
    assert victim.core.exchange.punching.relay_of(targets[0], now=victim.now) == Address(TARGET, 6881)
    victim.later(100.0)
    assert victim.core.exchange.punching.relay_of(targets[0], now=victim.now) is None
    say(one, PunchConnect(targets[0]))
    assert len(wanted(victim)) == 1


@pytest.mark.parametrize(
    "address",
    [
        *(Address("192.168.1.1", 6881), Address("10.0.0.1", 6881), Address("127.0.0.1", 6881), Address("::1", 6881)),
        *(Address("0.0.0.0", 6881), Address("::", 6881), Address("224.0.0.1", 6881), Address("ff02::1", 6881)),
        *(Address("255.255.255.255", 6881), Address("169.254.169.254", 8000), Address("fe80::1", 6881)),
        *(Address("7.7.7.7", 0), Address("7.7.7.7", 53), Address("64:ff9b::7f00:1", 6881)),
    ],
)
def test_a_relay_of_the_internet_leads_us_to_no_private_multicast_or_other_service(address: Address) -> None:
    victim = swarm()
    relay = join(victim, ASKER)
    say(relay, PunchConnect(address))
    assert not wanted(victim)
    assert victim.core.exchange.punching.ignored == 1
    for _ in range(30):
        say(relay, PunchConnect(address))
    assert relay.core.closed_because == "the peer floods us with messages"


@pytest.mark.parametrize(
    ("relay", "near", "far"),
    [
        ("192.168.1.9", "192.168.1.7", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.3", "224.0.0.1"),
        ("fe80::9", "fe80::7", "::1"),
    ],
)
def test_a_relay_of_our_own_network_knows_its_neighbours(relay: str, near: str, far: str) -> None:
    victim = swarm()
    say(join(victim, relay), PunchConnect(Address(near, 6881)), PunchConnect(Address(far, 6881)))
    assert wanted(victim) == [PunchWanted(Address(near, 6881), Address(relay, 6881), None)]


# As the one that asks


def named(victim: SwarmVictim, relay: Actor, *addresses: Address, flags: PexFlags = PexFlags.HOLEPUNCH) -> None:
    message = PexMessage(tuple((address, flags) for address in addresses))
    relay.hear(wire.Extended(OURS[UT_PEX], encode_pex(message)))


def test_who_named_a_peer_is_asked_and_its_answer_is_ours() -> None:
    victim = swarm()
    punching = victim.core.exchange.punching
    relay, other = join(victim, ASKER), join(victim, TARGET)
    assert not punching.has_introducer(STRANGER)
    assert punching.ask(STRANGER, now=victim.now) is None
    named(victim, other, STRANGER, flags=PexFlags.UTP)
    assert not punching.has_introducer(STRANGER), "it does not know hole punching"
    named(victim, relay, STRANGER)
    assert punching.has_introducer(STRANGER)
    assert punching.ask(STRANGER, now=victim.now) == relay.number
    assert punching.ask(STRANGER, now=victim.now) is None, "one at a time"
    assert heard(relay) == [Rendezvous(STRANGER)]
    assert heard(other) == []
    say(relay, PunchConnect(STRANGER))
    assert wanted(victim) == [PunchWanted(STRANGER, Address(ASKER, 6881), STRANGER)]
    peer = join(victim, STRANGER.host)
    assert victim.core.peers[peer.number].introduced_by == Address(ASKER, 6881)


def test_a_peer_that_was_told_first_is_here_before_we_are_told() -> None:
    victim = swarm()
    relay = join(victim, ASKER)
    named(victim, relay, STRANGER)
    victim.core.exchange.punching.ask(STRANGER, now=victim.now)
    peer = join(victim, STRANGER.host)
    assert victim.core.peers[peer.number].introduced_by == Address(ASKER, 6881)


def test_a_relay_may_know_the_port_better_but_not_the_host() -> None:
    victim = swarm()
    relay = join(victim, ASKER)
    named(victim, relay, STRANGER)
    victim.core.exchange.punching.ask(STRANGER, now=victim.now)
    elsewhere, moved = Address("7.7.7.8", 6881), Address(STRANGER.host, 50_000)
    say(relay, PunchConnect(elsewhere), PunchConnect(moved))
    assert wanted(victim) == [
        PunchWanted(elsewhere, Address(ASKER, 6881), None),
        PunchWanted(moved, Address(ASKER, 6881), STRANGER),
    ]


def test_a_refusal_ends_the_wait_and_the_next_who_named_it_is_asked() -> None:
    victim = swarm(answer_s=5.0)
    punching = victim.core.exchange.punching
    first, second = join(victim, ASKER), join(victim, TARGET)
    for relay in (first, second):
        named(victim, relay, STRANGER)
    assert punching.ask(STRANGER, now=victim.now) == first.number
    say(second, PunchRefused(STRANGER, PunchError.NOT_CONNECTED))
    assert not wanted(victim), "it was not asked"
    say(first, PunchRefused(STRANGER, PunchError.NOT_CONNECTED))
    assert wanted(victim) == [PunchFailed(STRANGER, PunchError.NOT_CONNECTED)]
    assert punching.ask(STRANGER, besides=[first.number], now=victim.now) == second.number
    second.core.close("gone")
    second.leave()
    victim.later(1.0)
    assert wanted(victim) == [PunchFailed(STRANGER, 0)]
    assert punching.ask(STRANGER, besides=[first.number], now=victim.now) is None
    assert punching.ask(STRANGER, now=victim.now) == first.number
    victim.later(5.0)
    assert punching.ask(STRANGER, now=victim.now) == first.number, "silence is no answer"


def test_a_peer_that_is_dropped_or_crowded_out_can_no_longer_be_had() -> None:
    victim = swarm()
    punching, relay = victim.core.exchange.punching, join(victim, ASKER)
    others = [Address(f"7.7.{number}.1", 6881) for number in range(200)]
    named(victim, relay, STRANGER)
    relay.hear(wire.Extended(OURS[UT_PEX], encode_pex(PexMessage((), (STRANGER,)))))
    assert not punching.has_introducer(STRANGER)
    victim.later(60.0)
    named(victim, relay, STRANGER)
    victim.later(60.0)
    named(victim, relay, *others)
    assert not punching.has_introducer(STRANGER)
    assert all(map(punching.has_introducer, others))


def test_no_more_than_so_many_are_waited_for() -> None:
    victim = swarm(max_asked=2)
    relay = join(victim, ASKER)
    several = [Address(f"7.7.7.{number}", 6881) for number in range(1, 4)]
    named(victim, relay, *several)
    punching = victim.core.exchange.punching
    assert [punching.ask(each, now=victim.now) for each in several] == [relay.number, relay.number, None]
    punching.give_up(several[0])
    assert punching.ask(several[2], now=victim.now) == relay.number


# What others are told (BEP 11)


def test_others_are_told_who_knows_hole_punching_and_where_its_datagrams_come_from() -> None:
    """A peer behind a NAT box leaves from another port than it listens at."""
    victim = swarm()
    listener = join(victim, ASKER, transport="tcp", port=7001, knows=False)
    punched = join(victim, TARGET, port=7002)
    plain = victim.join(host="7.7.7.7", is_dialled=True)
    hello = ExtendedHandshake(extensions={UT_PEX: 7}, prefers_encryption=True)
    plain.hear(wire.Extended(0, hello.to_bytes()))
    told: dict[Address, PexFlags] = {}
    for _ in range(3):
        victim.later(61.0)
        for message in listener.says():
            if isinstance(message, wire.Extended) and message.extension == 7:
                told |= dict(decode_pex(message.payload, max_peers=9).added)
    assert told == {
        Address(TARGET, 6881): PexFlags.UTP | PexFlags.HOLEPUNCH,
        Address("7.7.7.7", 6881): PexFlags.PREFERS_ENCRYPTION | PexFlags.REACHABLE,
    }
    assert not any(
        Address(TARGET, 6881) in dict(decode_pex(message.payload, max_peers=9).added)
        for message in punched.says()
        if isinstance(message, wire.Extended) and message.extension == 7
    ), "nobody is told about itself"


@pytest.mark.parametrize("wrong", ["rendezvous_per_s", "max_asked", "answer_s", "calls_burst"])
def test_configs_that_make_no_sense(wrong: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        PunchingConfig(**{wrong: 0})  # type: ignore[arg-type]
