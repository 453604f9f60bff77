"""Whole swarms on a virtual clock, drawn at random: whatever happens, the honest complete and only liars are banned."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.uploading.choker import ChokerConfig
from tests.swarm_net import Host, SwarmNet


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is drawn; the seed decides about everything that is not said here."""

    seed: int
    leeches: int
    liars: int = 0
    comers: int = 0
    total_bytes: int = 500_000
    piece_length: int = 1 << 16
    share_wrong: float = 1.0
    slots: int = 8
    is_slow_disk: bool = False
    magnets: bool = False


stories = st.builds(
    Story,
    seed=st.integers(0, 1 << 32),
    leeches=st.integers(1, 5),
    liars=st.integers(0, 2),
    comers=st.integers(0, 3),
    total_bytes=st.integers(1, 700_000),
    piece_length=st.sampled_from([1 << 14, 1 << 15, 1 << 16, 1 << 18]),
    share_wrong=st.sampled_from([0.02, 0.2, 1.0]),
    slots=st.integers(1, 4),
    is_slow_disk=st.booleans(),
    magnets=st.booleans(),
)


@dataclass
class Run:
    """A swarm in which one honest seed is always there; the others are joined to it through honest hosts only.

    Every now and then one of the `comers` leaves, or comes back and connects to whom it likes.
    """

    story: Story
    net: SwarmNet = field(init=False)
    honest: list[Host] = field(default_factory=list)
    leeches: list[Host] = field(default_factory=list)
    comers: list[Host] = field(default_factory=list)
    liars: list[Host] = field(default_factory=list)

    def __post_init__(self) -> None:
        story = self.story
        self.rng = Random(story.seed)
        self.net = SwarmNet(
            Random(story.seed + 1),
            total_bytes=story.total_bytes,
            piece_length=story.piece_length,
            delay_s=self.rng.choice([0.001, 0.05, 0.3]),
        )
        pieces = self.net.geometry.piece_count
        self.honest.append(self._host(have=Bitfield.full(pieces)))
        for number in range(story.leeches + story.comers):
            is_magnet = story.magnets and self.rng.random() < 0.5
            found = Bitfield(pieces, self.rng.sample(range(pieces), self.rng.randrange(pieces)))
            leech = self._host(magnet=is_magnet, have=found if self.rng.random() < 0.3 else None)
            group = self.leeches if number < story.leeches else self.comers
            group.append(leech)
            if group is self.leeches:
                self.net.connect(*self._shuffled(leech, self.rng.choice(self.honest)))
                self.honest.append(leech)
        self.honest += self.comers
        for number in range(story.liars):
            lies = Random(story.seed + 2 + number)
            wrong = [lies.random() < story.share_wrong for _ in range(1024)]
            liar = self.net.seed(corrupts=partial(_is_wrong, wrong))
            self.liars.append(liar)
            for leech in self.leeches:
                if self.rng.random() < 0.7:
                    self.net.connect(*self._shuffled(leech, liar))
        for comer in self.comers:
            self.net.at(self.rng.uniform(0, 10), partial(self._come, comer))

    def complete(self) -> float:
        return self.net.run_until(lambda: all(leech.core.is_complete for leech in self.leeches), within_s=3000.0)

    def _host(self, *, have: Bitfield | None = None, magnet: bool = False) -> Host:
        story, rng = self.story, self.rng
        config = SwarmConfig(
            max_unverified_bytes=1 if story.is_slow_disk else 1 << 20,
            max_buffered_bytes=rng.choice([1, 1 << 20]),
            choker=ChokerConfig(slots=story.slots, optimistic_slots=rng.randint(0, 1)),
            pipeline=PipelineConfig(first=rng.choice([4, 16]), most=rng.choice([16, 200])),
        )
        rate = rng.choice([2e4, 2e5, 2e6])
        return self.net.host(have=have, magnet=magnet, config=config, rate_bytes_per_s=rate)

    def _come(self, comer: Host) -> None:
        others = [host for host in self.honest + self.liars if host is not comer and host.address not in comer.banned]
        for other in self.rng.sample(others, self.rng.randint(1, len(others))):
            if comer.address not in other.banned:
                self.net.connect(*self._shuffled(comer, other))
        self.net.at(self.net.now + self.rng.uniform(0.1, 20), partial(self._go, comer))

    def _go(self, comer: Host) -> None:
        comer.leave()
        self.net.at(self.net.now + self.rng.uniform(0.1, 10), partial(self._come, comer))

    def _shuffled(self, one: Host, other: Host) -> tuple[Host, Host]:
        return (one, other) if self.rng.random() < 0.5 else (other, one)


def _is_wrong(wrong: list[bool], piece: int, begin: int) -> bool:
    return wrong[(piece * 31 + begin // BLOCK_SIZE) % len(wrong)]


# Of a piece on parole, what came from two peers is forgotten: that was not counted as wasted.
FORGOTTEN_BLOCKS = Story(
    seed=238484, leeches=1, liars=1, total_bytes=655_437, piece_length=1 << 18, share_wrong=0.2, slots=1, magnets=True
)


@settings(max_examples=150)
@given(stories)
@example(FORGOTTEN_BLOCKS)
def test_the_honest_complete_and_only_liars_are_banned(story: Story) -> None:
    run = Run(story)
    run.complete()
    liars = {liar.address for liar in run.liars}
    for host in run.honest:
        assert set(host.banned) <= liars
        assert host.core.unverified_bytes == 0
        if not run.liars:
            assert host.core.failed_pieces == 0
    for leech in run.leeches:
        core = leech.core
        assert core.picker is not None
        assert core.picker.missing_bytes == 0
        given_pieces = sum(given.pieces for given in core.contributions.values())
        assert given_pieces <= run.net.geometry.piece_count
        assert sum(given.size_bytes for given in core.contributions.values()) <= core.downloaded_bytes
        assert core.downloaded_bytes <= run.net.geometry.total_bytes + core.wasted_bytes


@settings(max_examples=6)
@given(stories)
def test_a_swarm_depends_on_its_seed_alone(story: Story) -> None:
    def outcome() -> list[object]:
        run = Run(story)
        ended_at = run.complete()
        cores = [host.core for host in run.net.hosts]
        return [ended_at, *((core.uploaded_bytes, core.downloaded_bytes, core.wasted_bytes) for core in cores)]

    assert outcome() == outcome()
