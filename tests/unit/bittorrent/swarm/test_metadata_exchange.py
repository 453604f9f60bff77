"""Fetching metadata from several peers, of whom some are slow, some refuse and some lie."""

from __future__ import annotations

from hashlib import sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import WireError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.swarm.metadata_exchange import MetadataExchange
from bittorrent.wire.metadata import METADATA_PIECE_SIZE, MetadataData, MetadataReject, answer_request

INFO = bytes(range(251)) * 1000  # 16 pieces
HASH = sha1(INFO).digest()


class Exchange:
    """The machine, and what it has asked."""

    def __init__(self, **config: float) -> None:
        self.machine = MetadataExchange(torrent_id=TorrentId(HASH), **config)  # type: ignore[arg-type]
        self.now = 0.0
        self.asked: dict[int, list[int]] = {}
        self.result: bytes | None = None

    def offer(self, *peers: int, size: int = len(INFO)) -> None:
        for peer in peers:
            self.machine.offer(peer, size)
        self.ask()

    def ask(self) -> None:
        for peer, request in self.machine.requests_to_send(now=self.now):
            self.asked.setdefault(peer, []).append(request.index)
        self.machine.check_invariants()

    def answer(self, peer: int, info_bytes: bytes = INFO, index: int | None = None) -> int:
        """The peer answers its oldest request, or another."""
        index = self.asked[peer].pop(0) if index is None else index
        message = answer_request(info_bytes, index)
        self.result = self.machine.receive(peer, message, now=self.now) or self.result
        self.ask()
        return index

    def reject(self, peer: int) -> None:
        self.machine.receive(peer, MetadataReject(self.asked[peer].pop(0)), now=self.now)
        self.ask()

    def wait(self, seconds: float) -> list[int]:
        self.now += seconds
        worn = self.machine.handle_timer(now=self.now)
        self.ask()
        return worn


def test_nobody_offers_nobody_is_asked() -> None:
    assert Exchange().machine.requests_to_send(now=0.0) == []


def test_one_peer_has_one_request_at_a_time() -> None:
    """rtorrent 0.9.8 answers only the first of several."""
    one = Exchange()
    one.offer(7)
    for index in range(16):
        assert one.asked == {7: [index]}
        one.answer(7)
    assert one.result == INFO
    assert one.asked == {7: []}


def test_several_peers_work_on_one_copy_and_no_more_than_allowed() -> None:
    some = Exchange(max_sources=3)
    some.offer(1, 2, 3, 4)
    assert some.asked == {1: [0], 2: [1], 3: [2]}
    some.answer(2)
    assert some.asked[2] == [3]
    while some.result is None:
        some.answer(next(peer for peer in (3, 1, 2) if some.asked[peer]))
    assert some.result == INFO


def test_what_one_is_late_with_is_asked_from_another_too() -> None:
    two = Exchange()
    two.offer(1, 2)
    while two.result is None:
        two.answer(2)
    assert two.result == INFO
    assert two.asked[1] == [0], "it never answered"


def test_what_came_stays_when_its_sender_leaves() -> None:
    exchange = Exchange(max_sources=1)
    exchange.offer(1)
    for _ in range(10):
        exchange.answer(1)
    exchange.machine.forget(1)
    exchange.offer(2)
    assert exchange.asked[2] == [10]
    for _ in range(6):
        exchange.answer(2)
    assert exchange.result == INFO


def test_sizes_do_not_mix() -> None:
    exchange = Exchange()
    exchange.offer(1, size=40_000)
    exchange.offer(2, size=10)
    exchange.offer(3)
    assert exchange.asked == {1: [0], 2: [0], 3: [0]}


def test_an_offer_made_again_before_it_is_taken_counts_anew() -> None:
    exchange = Exchange(max_sources=1)
    exchange.offer(9)
    exchange.offer(1, size=10)
    exchange.offer(1)
    exchange.machine.forget(9)
    exchange.ask()
    assert exchange.asked[1] == [0]
    exchange.answer(1)
    assert exchange.asked[1] == [1]


def test_a_silent_source_makes_room_for_the_next_and_is_worn_out_the_second_time() -> None:
    exchange = Exchange(max_sources=1, timeout_s=15.0)
    exchange.offer(1, 2)
    exchange.answer(1)
    assert exchange.wait(14.9) == []
    assert 2 not in exchange.asked
    assert exchange.wait(0.1) == []
    assert exchange.asked == {1: [1], 2: [1]}, "what came is kept"
    assert exchange.wait(15.0) == []
    assert exchange.asked[1] == [1, 1]
    assert exchange.wait(15.0) == [1]
    assert exchange.wait(15.0) == [2]


def test_a_late_answer_counts() -> None:
    """The only source is slower than the time-out; each request is answered, so some are answered twice."""
    exchange = Exchange(timeout_s=15.0)
    exchange.offer(1)
    while exchange.result is None:
        assert exchange.wait(16.0) == []
        exchange.answer(1)
    assert exchange.result == INFO


def test_answers_that_nobody_waits_for_are_ignored() -> None:
    exchange = Exchange(max_sources=1, timeout_s=15.0)
    exchange.offer(1, 2)
    exchange.answer(1)
    for index in (0, 5, 15, 99):
        exchange.answer(1, index=index)
    assert exchange.asked[1] == [1]
    exchange.now = 14.0
    exchange.answer(1, index=0)
    exchange.wait(1.0)
    assert exchange.asked[2] == [1], "they are no progress"


def test_a_peer_that_rejects_some_is_asked_for_others() -> None:
    exchange = Exchange()
    exchange.offer(1)
    exchange.reject(1)
    assert exchange.asked[1] == [1]
    exchange.answer(1)
    exchange.reject(1)
    exchange.answer(1)
    exchange.offer(2)
    assert exchange.asked == {1: [4], 2: [0]}


def test_who_rejects_everything_is_left_alone_for_a_while() -> None:
    exchange = Exchange(retry_s=60.0)
    exchange.offer(1)
    for _ in range(3):
        exchange.reject(1)
    exchange.offer(1)
    assert exchange.asked == {1: []}
    exchange.wait(60.0)
    assert exchange.asked == {1: [0]}


def test_who_lies_alone_is_named_at_once() -> None:
    exchange = Exchange()
    exchange.offer(1, size=10)
    exchange.offer(2)
    with pytest.raises(WireError, match="info-hash"):
        exchange.machine.receive(1, MetadataData(0, bytes(10), 10), now=0.0)
    while exchange.result is None:
        exchange.answer(2)
    assert exchange.result == INFO


def test_a_piece_of_a_wrong_length_names_its_sender() -> None:
    exchange = Exchange()
    exchange.offer(1)
    with pytest.raises(WireError, match="3 bytes"):
        exchange.machine.receive(1, MetadataData(0, b"abc", 10), now=0.0)


def test_who_spoils_the_copy_of_all_is_found_out_and_the_honest_lose_little() -> None:
    wrong = INFO[:-1] + b"?" if len(INFO) % 2 else bytes(len(INFO))
    exchange = Exchange()
    exchange.offer(1, 2, 3)
    banned: list[int] = []
    turn = 0
    while exchange.result is None:
        turn += 1
        assert turn < 200
        for peer in (1, 2, 3):
            if peer in banned or not exchange.asked.get(peer):
                continue
            try:
                exchange.answer(peer, wrong if peer == 2 else INFO)
            except WireError:
                banned.append(peer)
                exchange.machine.forget(peer)
                exchange.ask()
    assert exchange.result == INFO
    assert banned in ([], [2])


def test_who_drips_does_not_keep_out_who_would_deliver() -> None:
    exchange = Exchange(max_sources=1, timeout_s=15, turn_s=30)
    exchange.offer(1, 2)
    for _ in range(2):
        exchange.wait(14.0)
        exchange.answer(1)
    exchange.wait(2.0)
    assert exchange.asked[2] == [2]
    exchange.answer(1)
    while exchange.result is None:
        exchange.answer(2)
    assert exchange.result == INFO


def test_a_lone_source_may_take_its_time() -> None:
    exchange = Exchange(timeout_s=100, turn_s=30)
    exchange.offer(1)
    for _ in range(16):
        exchange.wait(40.0)
        exchange.answer(1)
    assert exchange.result == INFO


@given(st.data())
def test_whatever_peers_do_the_bounds_hold_and_an_honest_one_is_enough(data: st.DataObject) -> None:
    exchange = Exchange(max_sources=2, timeout_s=15.0)
    sizes = st.sampled_from([len(INFO), len(INFO), len(INFO) - 1, 5, METADATA_PIECE_SIZE])
    gone: set[int] = set()
    for _ in range(data.draw(st.integers(0, 60))):
        exchange.now += data.draw(st.sampled_from([0.0, 1.0, 16.0]))
        peer = data.draw(st.integers(1, 6))
        try:
            match data.draw(st.sampled_from(["offer", "answer", "lie", "reject", "leave", "time"])):
                case "offer" if peer not in gone:
                    exchange.offer(peer, size=data.draw(sizes))
                case "answer" if exchange.asked.get(peer):
                    exchange.answer(peer)
                case "lie" if exchange.asked.get(peer):
                    exchange.answer(peer, bytes(len(INFO)))
                case "reject" if exchange.asked.get(peer):
                    exchange.reject(peer)
                case "leave":
                    exchange.machine.forget(peer)
                    exchange.asked.pop(peer, None)
                case "time":
                    exchange.wait(1.0)
        except WireError:
            exchange.machine.forget(peer)
            exchange.asked.pop(peer, None)
            gone.add(peer)
        exchange.machine.check_invariants()
    for peer in range(1, 7):
        exchange.machine.forget(peer)
    honest = iter(range(100, 1000))
    peer = next(honest)
    exchange.offer(peer)
    for _ in range(200):
        if exchange.result is not None:
            break
        exchange.answer(peer)
    assert exchange.result == INFO


def kept_pieces(info_bytes: bytes, *indices: int) -> dict[int, bytes]:
    return {index: info_bytes[index * METADATA_PIECE_SIZE :][:METADATA_PIECE_SIZE] for index in indices}


def test_what_an_earlier_run_has_kept_is_not_asked_for_again() -> None:
    exchange = Exchange()
    exchange.machine.take_up(len(INFO), kept_pieces(INFO, *range(13)))
    exchange.offer(1)
    assert [exchange.answer(1) for _ in range(3)] == [13, 14, 15]
    assert exchange.result == INFO


def test_what_is_worth_keeping_is_the_largest_part_of_a_copy() -> None:
    exchange = Exchange()
    assert exchange.machine.kept() is None
    exchange.offer(1)
    exchange.offer(2, size=METADATA_PIECE_SIZE * 9)
    for _ in range(3):
        exchange.answer(1)
    exchange.answer(2)
    kept = exchange.machine.kept()
    assert kept is not None
    assert (kept.size, dict(kept.pieces)) == (len(INFO), kept_pieces(INFO, 0, 1, 2))


def test_nobody_is_to_blame_for_what_was_kept_and_is_wrong() -> None:
    exchange = Exchange()
    exchange.machine.take_up(len(INFO), kept_pieces(bytes(len(INFO)), *range(10)))
    exchange.offer(1)
    for _ in range(6):
        exchange.answer(1)
    assert exchange.result is None
    assert exchange.machine.kept() is None
    for _ in range(10):
        exchange.answer(1)
    assert exchange.result == INFO


def test_kept_pieces_that_fit_no_copy_are_refused() -> None:
    for pieces in ({16: b"x"}, {0: b"short"}, {-1: b""}):
        exchange = Exchange()
        with pytest.raises(WireError):
            exchange.machine.take_up(len(INFO), pieces)
        assert exchange.machine.kept() is None
    exchange = Exchange()
    exchange.machine.take_up(len(INFO), kept_pieces(INFO, *range(16)))
    assert exchange.machine.kept() is None, "a complete copy would have been the metadata"


@pytest.mark.parametrize(
    ("torrent_id", "is_taken"),
    [
        (TorrentId(HASH, sha256(INFO).digest()), True),
        (TorrentId(v2=sha256(INFO).digest()), True),
        (TorrentId(HASH, bytes(32)), False),
        (TorrentId(bytes(20), sha256(INFO).digest()), False),
        (TorrentId(v2=sha256(INFO).digest()[:20] + bytes(12)), False),
    ],
)
def test_every_hash_that_is_known_counts_to_its_last_byte(torrent_id: TorrentId, is_taken: bool) -> None:
    machine = MetadataExchange(torrent_id=torrent_id)
    machine.offer(7, len(INFO))
    for _ in range(15):
        ((_, request),) = machine.requests_to_send(now=0.0)
        assert machine.receive(7, answer_request(INFO, request.index), now=0.0) is None
    ((_, request),) = machine.requests_to_send(now=0.0)
    if is_taken:
        found = machine.receive(7, answer_request(INFO, request.index), now=0.0)
        assert found == INFO
    else:
        with pytest.raises(WireError, match="does not have the info-hash"):
            machine.receive(7, answer_request(INFO, request.index), now=0.0)
