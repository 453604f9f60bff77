"""Fuzzing one UDP port that a DHT node, UDP trackers and a toy that looks like uTP share: whose is what comes?"""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from bittorrent.tracker.messages import AnnounceRequest
from bittorrent.tracker.udp import UdpAnnounce
from bittorrent.tracker.udp_exchange import ANSWER_FIRST_BYTES
from bittorrent.tracker.udp_questions import UdpQuestions
from kademlia_core.mainline import krpc
from transfer.address import Address
from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig, Demultiplexer

CONFIG = DatagramPortConfig(max_share=3, max_waiting=8)
TRACKERS = [Address("192.0.2.1", 6969), Address("192.0.2.1", 6970), Address("2001:db8::1", 6969)]
SOURCES = [*TRACKERS, *(Address(f"192.0.2.{number}", 6969) for number in range(2, 7))]
UTP_FIRST_BYTES = bytes(kind << 4 | 1 for kind in range(5))  # BEP 29: the type, and version 1
REQUEST = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1, uploaded=0, downloaded=0, left=0)


def run_datagrams(data: bytes) -> str:
    """Takes a script of datagrams from random sources, true answers, turns and pauses.

    Each datagram reaches one protocol at most, the one that an independent look names; whatever is kept is bounded.
    """
    shared: Demultiplexer[str] = Demultiplexer(CONFIG)
    questions = UdpQuestions()
    connected = SOURCES[4:]

    def is_answer(datagram: bytes, source: Any) -> bool:
        return questions.answered_by(datagram, Address.from_socket(source)) is not None

    shared.add("trackers", DatagramClaim(first_bytes=ANSWER_FIRST_BYTES, accepts=is_answer))
    shared.add("dht", DatagramClaim(first_bytes=krpc.FIRST_BYTES))
    shared.add(
        "toy", DatagramClaim(first_bytes=UTP_FIRST_BYTES, accepts=lambda _, source: source in connected, order=1)
    )
    asked = [(UdpAnnounce(REQUEST, url_data=b"", ipv6=each.is_ipv6, rng=Random(7), now=0.0), each) for each in TRACKERS]
    ids: dict[Address, bytes] = {}
    for exchange, tracker in asked:
        questions.add(exchange, tracker)
    now, at, fed, taken = 0.0, 0, 0, {"trackers": 0, "dht": 0, "toy": 0}
    while at < len(data):
        for exchange, tracker in asked:
            for datagram in exchange.datagrams_to_send():
                ids[tracker] = datagram[12:16]
        op, size = data[at], data[at + 1] if at + 1 < len(data) else 0
        body, at = data[at + 2 : at + 2 + size], at + 2 + size
        source = SOURCES[op >> 3 & 7]
        match op & 7:
            case 0 | 1 | 2:
                shared.receive([(body, source)])
                fed += 1
            case 3:
                shared.receive([(body[:4] + ids.get(source, b"none") + body[4:], source)])
                fed += 1
            case 4:
                shared.receive([(body[start : start + 3], source) for start in range(0, len(body), 3)])
                fed += len(range(0, len(body), 3))
            case 5:
                now += size
                for exchange, _ in asked:
                    exchange.handle_timer(now=now)
            case 6 if op & 8:
                exchange, tracker = asked[op >> 4 & 1]
                questions.remove(exchange, tracker)
            case _:
                for user, batch in shared.take():
                    assert len(batch) <= CONFIG.max_share
                    taken[user] += len(batch)
                    for datagram, sender in batch:
                        _check_taker(user, datagram, sender, connected)
                        if user == "trackers" and (answered := questions.answered_by(datagram, sender)) is not None:
                            answered.receive_datagram(datagram, now=now)
        shared.check_invariants()
        assert len(questions) <= len(TRACKERS)
    stats = shared.stats()
    assert stats.received == fed
    assert sum(taken.values()) <= fed - stats.unclaimed - stats.dropped
    over = sum(exchange.is_closed for exchange, _ in asked)
    return " ".join(str(min(count, 4)) for count in (*taken.values(), stats.unclaimed, stats.dropped, over))


def _check_taker(user: str, datagram: bytes, source: Address, connected: list[Address]) -> None:
    """What the first bytes of each protocol are, said once more and in another way."""
    if user == "dht":
        assert datagram.startswith(b"d")
    elif user == "trackers":
        assert struct.unpack_from(">I", datagram)[0] <= 3
        assert source in TRACKERS
    else:
        assert datagram[0] & 15 == 1
        assert datagram[0] >> 4 <= 4
        assert source in connected


def datagrams_seeds() -> list[bytes]:
    connect = b"\x03\x0c" + bytes(4) + bytes(range(8))
    answer = b"\x03\x16" + b"\0\0\0\x01" + struct.pack(">III", 900, 1, 2) + b"\x09\x09\x09\x09\x1a\xe1"
    query = b"\x00\x09d1:y1:qee" + b"\x09\x09d1:y1:ree"
    utp = b"\x20\x14" + bytes((0x41,)) + bytes(19) + b"\x08\x14" + bytes((0x01,)) + bytes(19)
    turn = b"\x07\x00"
    return [
        connect + turn + answer + turn + query + turn + utp + turn,
        b"\x04\x3c" + b"d1e" * 20 + turn + connect + turn,
        b"\x20\x08" + bytes(8) + b"\x0b\x0c" + bytes(12) + turn + b"\x05\x20" + bytes(32) + answer + turn,
        b"\x0e\x00" + connect + turn + b"\x00\x00" + b"\x00\x01\x11" + turn,
    ]
