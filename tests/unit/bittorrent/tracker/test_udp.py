"""The UDP announcement against a tracker made of struct calls: loss, expiry, refusals and strangers."""

from __future__ import annotations

import struct
from random import Random

import pytest

from bittorrent.tracker.messages import AnnounceRequest
from bittorrent.tracker.udp import Answered, ExchangeFailed, UdpAnnounce, UdpConfig
from transfer.address import Address

REQUEST = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=6881, num_want=7)
CONNECTION_ID = 0x1122334455667788


def start(*, ipv6: bool = False, url_data: bytes = b"", config: UdpConfig | None = None) -> UdpAnnounce:
    return UdpAnnounce(REQUEST, url_data=url_data, ipv6=ipv6, rng=Random(3), now=0.0, config=config or UdpConfig())


def sent(core: UdpAnnounce) -> tuple[int, bytes]:
    """The action and the transaction id of the only packet to send."""
    (packet,) = core.datagrams_to_send()
    return packet[11], packet[12:16]


def connect(core: UdpAnnounce, *, now: float = 0.0) -> bytes:
    action, transaction_id = sent(core)
    assert action == 0
    core.receive_datagram(bytes(4) + transaction_id + struct.pack(">Q", CONNECTION_ID), now=now)
    action, transaction_id = sent(core)
    assert action == 1
    return transaction_id


def answer(transaction_id: bytes, peers: bytes = b"", *, interval: int = 1800) -> bytes:
    return b"\0\0\0\1" + transaction_id + struct.pack(">III", interval, 3, 4) + peers


def test_an_announcement() -> None:
    core = start()
    transaction_id = connect(core)
    core.receive_datagram(answer(transaction_id, b"\x0a\0\0\1\x1a\xe1\x0a\0\0\2\0\0"), now=1.0)
    event = core.next_event()
    assert isinstance(event, Answered)
    assert event.response.peers == (Address("10.0.0.1", 6881),)
    assert (event.response.interval_s, event.response.leechers, event.response.seeders) == (1800, 3, 4)
    assert core.is_closed
    assert core.next_timer() is None
    assert core.datagrams_to_send() == []


def test_ipv6_peers_have_eighteen_bytes() -> None:
    core = start(ipv6=True)
    peer = Address("2001:db8::5", 443)
    core.receive_datagram(answer(connect(core), peer.compact()), now=1.0)
    event = core.next_event()
    assert isinstance(event, Answered)
    assert event.response.peers == (peer,)


def test_longer_packets_are_fine() -> None:
    core = start()
    _, transaction_id = sent(core)
    core.receive_datagram(bytes(4) + transaction_id + bytes(8) + b"more", now=0.0)
    _, transaction_id = sent(core)
    core.receive_datagram(answer(transaction_id, b"\x0a\0\0\1\x1a\xe1odd"), now=0.0)
    event = core.next_event()
    assert isinstance(event, Answered)
    assert len(event.response.peers) == 1


def test_a_refusal_ends_it_at_either_step() -> None:
    for steps in (0, 1):
        core = start()
        transaction_id = connect(core) if steps else sent(core)[1]
        core.receive_datagram(b"\0\0\0\3" + transaction_id + b"go\naway\0", now=0.0)
        event = core.next_event()
        assert event == ExchangeFailed(message="the tracker refused: go away", failure_reason="go away")
        assert core.is_closed


@pytest.mark.parametrize("text", [b"Connection ID missmatch.", b"connection id mismatch\0", b"Invalid connection_id"])
def test_a_connection_id_that_the_tracker_does_not_know_is_asked_for_again_at_once(text: bytes) -> None:
    core = start()
    transaction_id = connect(core)
    core.receive_datagram(b"\0\0\0\3" + transaction_id + text, now=1.0)
    assert core.next_event() is None
    transaction_id = connect(core, now=1.0)
    core.receive_datagram(b"\0\0\0\3" + transaction_id + text, now=1.0)
    core.receive_datagram(answer(connect(core, now=1.0)), now=1.1)
    assert isinstance(core.next_event(), Answered)


def test_a_tracker_that_knows_no_connection_id_is_not_asked_for_ever() -> None:
    core = start()
    for _ in range(3):
        core.receive_datagram(b"\0\0\0\3" + connect(core) + b"connection ID mismatch", now=0.0)
    event = core.next_event()
    assert isinstance(event, ExchangeFailed)
    assert event.failure_reason == "connection ID mismatch"
    assert core.is_closed


def test_what_does_not_belong_here_is_ignored() -> None:
    core = start()
    _, transaction_id = sent(core)
    other = bytes(byte ^ 1 for byte in transaction_id)
    strangers = [
        b"",
        b"short",
        bytes(4) + other + bytes(8),
        bytes(4) + transaction_id + bytes(7),
        answer(transaction_id),
        b"\0\0\0\2" + transaction_id + bytes(20),
        b"\0\0\0\3" + other + b"forged",
    ]
    for datagram in strangers:
        core.receive_datagram(datagram, now=0.0)
    assert core.ignored_datagrams == len(strangers)
    assert core.datagrams_to_send() == []
    assert not core.is_closed


def test_a_late_answer_to_the_first_of_two_counts() -> None:
    core = start()
    transaction_id = connect(core)
    core.handle_timer(now=14.9)
    assert core.datagrams_to_send() == []
    core.handle_timer(now=15.0)
    assert sent(core) == (1, transaction_id)
    core.receive_datagram(answer(transaction_id), now=16.0)
    assert isinstance(core.next_event(), Answered)
    core.receive_datagram(answer(transaction_id), now=17.0)
    assert core.next_event() is None


def test_the_connection_id_is_asked_for_again_when_it_runs_out() -> None:
    core = start()
    first = connect(core)
    for now in (15.0, 45.0):
        core.handle_timer(now=now)
        assert sent(core) == (1, first)
    core.handle_timer(now=105.0)
    action, transaction_id = sent(core)
    assert action == 0
    assert transaction_id != first
    core.receive_datagram(answer(first), now=106.0)
    assert not core.is_closed, "an answer to what was given up"
    core.receive_datagram(bytes(4) + transaction_id + struct.pack(">Q", 77), now=106.0)
    (packet,) = core.datagrams_to_send()
    assert packet[:12] == struct.pack(">QI", 77, 1)
    assert core.next_timer() == 106.0 + 120.0


def test_silence_ends_it() -> None:
    core = start(config=UdpConfig(retransmit_s=1.0, max_retransmits=2))
    times = []
    while (due := core.next_timer()) is not None:
        times.append(due)
        core.handle_timer(now=due)
    assert times == [1.0, 3.0, 7.0]
    assert len(core.datagrams_to_send()) == 0
    assert core.next_event() == ExchangeFailed(message="the tracker does not answer")


def test_url_data_is_bounded() -> None:
    core = start(url_data=b"/" + b"x" * 5000)
    _, transaction_id = sent(core)
    core.receive_datagram(bytes(4) + transaction_id + bytes(8), now=0.0)
    (packet,) = core.datagrams_to_send()
    assert len(packet) < 1200


@pytest.mark.parametrize("wrong", [{"retransmit_s": 0}, {"max_retransmits": 9}, {"connection_lifetime_s": 0}])
def test_a_config_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        UdpConfig(**wrong)
