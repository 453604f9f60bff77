"""Fetching hashes from peers that answer, refuse, lie, leave and keep silent, in any order."""

from __future__ import annotations

from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashError, HashRange, TreeRows, leaf_ranges
from bittorrent.merkle.shape import TreeShape
from bittorrent.merkle.tree import HASH_SIZE
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.hashes.layers import LayerFetch
from bittorrent.swarm.hashes.leaves import LeafFetch

PIECE = 1 << 15
CONFIG = HashConfig(first_requests=2, most_requests=4, timeout_s=8.0, first_pause_s=2.0, most_pause_s=8.0)


def rows_of(shape: TreeShape, rng: Random) -> TreeRows:
    """Any leaves will do: what they are hashes of does not matter here."""
    return TreeRows(shape, rng.randbytes(shape.leaf_count * HASH_SIZE), 0)


class Trees:
    """Some files, large and small."""

    def __init__(self, sizes: list[int], seed: int) -> None:
        rng = Random(seed)
        made = [rows_of(TreeShape(size, PIECE), rng) for size in sizes]
        self.rows = {rows.root: rows for rows in made}
        self.shapes = {rows.root: TreeShape(size, PIECE) for rows, size in zip(made, sizes, strict=True)}
        self.layers = {
            root: self.rows[root].row(shape.piece_height) for root, shape in self.shapes.items() if shape.needs_layer
        }

    def answer(self, wanted: HashRange) -> bytes:
        found = self.rows[wanted.root].answer(wanted)
        assert found is not None, "only ranges of trees are asked for"
        return found


def spoilt(hashes: bytes, at: int) -> bytes:
    wrong = bytearray(hashes)
    wrong[at % len(wrong)] ^= 1
    return bytes(wrong)


class LayerMachine(RuleBasedStateMachine):
    """A few peers that do as they like; in the end one honest peer comes, and all layers are had from it."""

    @initialize(
        sizes=st.lists(st.integers(1, 40 * PIECE) | st.integers(600 * PIECE, 1300 * PIECE), min_size=1, max_size=4),
        seed=st.integers(0, 1000),
    )
    def start(self, sizes: list[int], seed: int) -> None:
        self.trees = Trees(sizes, seed)
        self.fetch = LayerFetch(CONFIG)
        self.now = 100.0
        self.asked: dict[int, dict[HashRange, None]] = {}  # that a peer was asked for and may still answer
        self.numbers = 0
        self.fetch.want(self.trees.shapes)

    @precondition(lambda self: len(self.asked) < 4)
    @rule()
    def come(self) -> None:
        self.numbers += 1
        self.fetch.add_peer(self.numbers)
        self.asked[self.numbers] = {}

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 3))
    def leave(self, which: int) -> None:
        self.drop(self.number(which))

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 3))
    def ask(self, which: int) -> None:
        number = self.number(which)
        for wanted in self.fetch.requests_to(number, now=self.now):
            assert wanted.length <= 512
            assert wanted.root not in self.fetch.found
            self.asked[number][wanted] = None

    @precondition(lambda self: any(self.asked.values()))
    @rule(which=st.integers(0, 3), place=st.integers(0, 9), count=st.integers(1, 9))
    def answer(self, which: int, place: int, count: int) -> None:
        number = self.number(which)
        for wanted in list(islice(self.asked[number], place, place + count)):
            del self.asked[number][wanted]
            self.fetch.receive(number, wanted, self.trees.answer(wanted))

    @precondition(lambda self: any(self.asked.values()))
    @rule(which=st.integers(0, 3), at=st.integers(0, 1 << 16), cut=st.sampled_from([None, 0, -32, 31]))
    def lie(self, which: int, at: int, cut: int | None) -> None:
        number = self.number(which)
        for wanted in list(islice(self.asked[number], 1)):
            was_open = wanted in self.fetch._asked
            right = self.trees.answer(wanted)
            wrong = spoilt(right, at) if cut is None else right[:cut]
            if was_open:
                with pytest.raises((HashError, WireError)):
                    self.fetch.receive(number, wanted, wrong)
            else:
                assert not self.fetch.receive(number, wanted, wrong)
            self.drop(number)

    @precondition(lambda self: any(self.asked.values()))
    @rule(which=st.integers(0, 3), count=st.integers(1, 9))
    def refuse(self, which: int, count: int) -> None:
        number = self.number(which)
        for wanted in list(islice(self.asked[number], count)):
            del self.asked[number][wanted]
            self.fetch.rejected(number, wanted, now=self.now)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 9.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.fetch.handle_timer(now=self.now)

    @rule()
    def want_again(self) -> None:
        self.fetch.want(self.trees.shapes)

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "fetch"):
            self.fetch.check_invariants()
            for root, layer in self.fetch.found.items():
                assert layer == self.trees.layers[root]
            assert self.fetch.is_complete == (self.fetch.found == self.trees.layers)
            assert self.fetch.hashes_found == sum(map(len, self.fetch.found.values())) // HASH_SIZE

    def teardown(self) -> None:
        if not hasattr(self, "fetch"):
            return
        self.fetch.add_peer(99)  # the others stay, and are silent
        until = self.now + 60.0
        while not self.fetch.is_complete:
            assert self.now < until, "one honest peer is enough"
            for number in self.asked:
                self.fetch.requests_to(number, now=self.now)
            while asked := self.fetch.requests_to(99, now=self.now):
                for wanted in asked:
                    self.fetch.receive(99, wanted, self.trees.answer(wanted))
            self.now += 1.0
            self.fetch.handle_timer(now=self.now)
        self.holds()

    def number(self, which: int) -> int:
        return list(self.asked)[which % len(self.asked)]

    def drop(self, number: int) -> None:
        self.fetch.remove_peer(number)
        del self.asked[number]


LayerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLayers = LayerMachine.TestCase


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(16385, 40 << 14),
    piece_length=st.sampled_from([1 << 15, 1 << 16, 1 << 18]),
    seed=st.integers(0, 1 << 32),
    manners=st.lists(st.sampled_from(["honest", "silent", "late", "refuses", "lies", "leaves"]), max_size=8),
)
def test_leaves_come_rightly_or_are_given_up_in_time(
    size: int, piece_length: int, seed: int, manners: list[str]
) -> None:
    """One honest peer among at most `leaf_peers` refusers and liars at a time is found, and nothing waits for long."""
    rng = Random(seed)
    shape = TreeShape(size, piece_length)
    rows = rows_of(shape, rng)
    piece = rng.randrange(shape.piece_count)
    ranges = leaf_ranges(shape, rows.root, piece)
    config = HashConfig()
    fetch = LeafFetch(config)
    now = 10.0
    fetch.want(7, shape, ranges, range(1, len(manners) + 1), now=now)
    found: list[tuple[int, bytes]] = []
    late: list[tuple[int, HashRange]] = []
    while not found and now < 30.0:
        if fetch.take_given_up(now=now):
            break
        for number, wanted in fetch.requests_to_send(now=now):
            right = rows.answer(wanted)
            assert right is not None
            match manners[number - 1]:
                case "honest":
                    found += fetch.receive(number, wanted, right)
                case "late":
                    late.append((number, wanted))
                case "refuses":
                    fetch.rejected(number, wanted)
                case "leaves":
                    fetch.remove_peer(number)
                case "lies" if wanted in fetch:
                    with pytest.raises(HashError):
                        fetch.receive(number, wanted, spoilt(right, rng.randrange(len(right))))
                    fetch.remove_peer(number)
            fetch.check_invariants()
        now += 0.5
        while late and not found and rng.random() < 0.2:
            number, wanted = late.pop()
            right = rows.answer(wanted)
            assert right is not None
            found += fetch.receive(number, wanted, right)
    assert now <= 10.0 + config.leaf_patience_s + 0.5
    assert fetch.is_idle
    first = piece << shape.subtree_height
    expected = rows.row(0)[first * HASH_SIZE :][: shape.leaves_in_piece(piece) * HASH_SIZE] if ranges else b""
    if found and ranges:
        assert found == [(7, expected)]
    elif ranges:
        waits = manners.count("silent") + manners.count("late")
        assert "honest" not in manners or waits >= config.leaf_peers
