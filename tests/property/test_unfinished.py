"""A downloader that is stopped or killed again and again, beside liars, with kept blocks that may be damaged: it
completes, fetches nothing twice but what was lost, and never bans an honest peer."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.storage.block_file import BlockFile
from bittorrent.swarm.downloading.keeping import BlockKeeping, UnfinishedConfig
from tests.swarm_net import Host, SwarmNet


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    seed: int
    total_bytes: int
    piece_length: int
    liars: int
    stops: int
    share_killed: float
    share_damaged: float


stories = st.builds(
    Story,
    seed=st.integers(0, 2**32),
    total_bytes=st.integers(1, 1 << 20),
    piece_length=st.sampled_from([1 << 15, 1 << 16, 1 << 18]),
    liars=st.integers(0, 2),
    stops=st.integers(0, 6),
    share_killed=st.sampled_from([0.0, 0.5, 1.0]),
    share_damaged=st.sampled_from([0.0, 0.0, 0.1, 1.0]),
)


class Run:
    """One downloader whose kept blocks go through a real file, from run to run."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.rng = Random(story.seed)
        self.net = SwarmNet(
            self.rng, total_bytes=story.total_bytes, piece_length=story.piece_length, rate_bytes_per_s=1e5
        )
        self.honest = self.net.seed()
        self.liars = [self.net.seed(corrupts=lambda piece, begin: self.rng.random() < 0.3) for _ in range(story.liars)]
        self.path = folder / "kept.blocks"
        self.have = Bitfield(self.net.geometry.piece_count)
        self.fetched = self.lost = 0
        self.failures = 0
        self.banned: set[object] = set()
        self.file: BlockFile
        self.keeping: BlockKeeping
        self.leech: Host

    def start(self) -> None:
        geometry = self.net.geometry
        self.file = BlockFile(
            str(self.path),
            info_hash=self.net.info_hash,
            geometry=geometry,
            max_bytes=self.story.total_bytes + (1 << 14),
        )
        missing = Bitfield.full(geometry.piece_count).without(self.have)
        found = self.file.load(missing, max_pieces=1000)
        if not self.story.share_damaged:
            self._check(found)
        self.keeping = BlockKeeping(geometry, UnfinishedConfig(slow_s=0.1))
        self.keeping.found(found, now=self.net.now)
        self.damage(found)
        self.leech = self.net.host(have=self.have, unfinished=found)
        self.leech.pump()
        for other in (self.honest, *self.liars):
            if other.address not in self.banned:
                self.net.connect(self.leech, other)
        self.beat(self.leech)

    def damage(self, found: list[UnfinishedPiece]) -> None:
        """What no checksum can find: blocks that were wrong when they were kept."""
        for piece in found:
            for block in piece.held_blocks(self.net.geometry):
                if self.rng.random() < self.story.share_damaged:
                    piece.buffer[block.begin] ^= 1

    def beat(self, leech: Host) -> None:
        if leech is self.leech:
            self.keep(is_last=False)
            self.net.at(self.net.now + 0.2, lambda: self.beat(leech))

    def keep(self, *, is_last: bool) -> bool:
        picker = self.leech.core.picker
        assert picker is not None
        step = self.keeping.next_step(self.leech.core.unfinished(), picker.state, is_last=is_last, now=self.net.now)
        self.keeping.check_invariants()
        self.file.apply(step)
        self.file.check_invariants()
        return bool(step)

    def stop(self) -> None:
        """Ends the run, in one of two ways."""
        core = self.leech.core
        assert core.picker is not None
        is_killed = self.rng.random() < self.story.share_killed
        if not is_killed:
            while self.keep(is_last=True):
                pass
        self.note()
        missing = [index for index in range(core.picker.have.size) if index not in core.picker.have]
        came = sum(core.picker.received_blocks(index) for index in missing)
        assert is_killed or len(self.file) == came
        self.lost += (came - len(self.file)) * BLOCK_SIZE if is_killed else 0
        self.file.release()
        self.have = core.picker.have.copy()
        leech, self.leech = self.leech, self.honest  # whoever beats, beats no more
        leech.leave()
        if is_killed and self.path.exists():
            self.tear()

    def tear(self) -> None:
        """Some sectors of what was written did not make it."""
        data = bytearray(self.path.read_bytes())
        if self.rng.random() < 0.3:
            for _ in range(self.rng.randint(1, 3)):
                start = self.rng.randrange(len(data) // 512 + 1) * 512
                torn = len(data[start : start + 512])
                data[start : start + 512] = bytes(torn)
                self.lost += 2 * BLOCK_SIZE + self.story.piece_length  # the header is all of it
                if not start:
                    self.lost += self.story.total_bytes
            self.path.write_bytes(data)

    def note(self) -> None:
        core = self.leech.core
        self.fetched += core.downloaded_bytes + core.wasted_bytes
        self.failures += core.failed_pieces
        self.banned |= set(self.leech.banned)

    def _check(self, found: list[UnfinishedPiece]) -> None:
        for piece in found:
            offset = self.net.geometry.offset_of(piece.index)
            for block in piece.held_blocks(self.net.geometry):
                right = self.net.content[offset + block.begin : offset + block.begin + block.length]
                assert self.story.liars or piece.buffer[block.begin : block.begin + block.length] == right


@settings(max_examples=80, deadline=None)
@given(stories)
def test_nothing_that_came_is_lost_and_nobody_honest_is_banned(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(story, Path(folder))
        for _ in range(story.stops):
            run.start()
            until = run.net.now + run.rng.uniform(0.05, 3.0)
            run.net.run_until(lambda until=until: run.net.now >= until)  # type: ignore[misc]
            run.stop()
        run.start()
        run.net.run_until(lambda: run.leech.core.is_complete, within_s=3000.0)
        while run.keep(is_last=True):
            pass
        run.note()
        run.file.release()
        assert not run.path.exists(), "something is left over"
        assert run.banned <= {liar.address for liar in run.liars}
        if not run.liars:
            assert not run.failures
            if not story.share_damaged:
                assert run.fetched <= story.total_bytes + run.lost
                assert run.fetched >= story.total_bytes
