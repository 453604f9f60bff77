"""Storage works for anything that is a `FileSet`: no torrent is needed, and none is known."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bittorrent.files.entry import FileEntry
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import PieceHasher
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.claims import PathClaims
from bittorrent.storage.files import FileStorage
from bittorrent.storage.held_places import HeldPlaces
from bittorrent.storage.ownership import AT_REST, BEING_WRITTEN, begun_by_us, judge_files, marks_of
from bittorrent.storage.places import content_path
from bittorrent.storage.ports import FileStamp
from bittorrent.storage.resume_state import ResumeState
from bittorrent.storage.whereabouts import explain_absence
from tests.tree_hasher import TreeHasher


class Plain(NamedTuple):
    info_hash: bytes
    name: str
    original_name: bytes | None
    files: tuple[FileEntry, ...]
    geometry: Geometry
    hasher: PieceHasher


def plain(root: Path) -> Plain:
    """Two files, `a` of 50 bytes and `b` of 70, in pieces of 32."""
    (root / "set").mkdir(parents=True)
    (root / "set" / "a").write_bytes(bytes(range(50)))
    (root / "set" / "b").write_bytes(bytes(range(70)))
    files = (FileEntry(("set", "a"), 50, 0), FileEntry(("set", "b"), 70, 50))
    return Plain(b"\7" * 20, "set", None, files, Geometry.of(120, 32), TreeHasher.of(root / "set", 32))


def test_what_is_on_disk_is_checked_and_judged(tmp_path: Path) -> None:
    shared = plain(tmp_path)
    (tmp_path / "set" / "b").write_bytes(bytes(70))
    storage = FileStorage(shared.files, tmp_path, writable=False)
    try:
        right = Bitfield(4, [index for index, is_right in verify_pieces(shared, storage) if is_right])
    finally:
        storage.close()
    assert list(right) == [0]
    assert judge_files(shared, right, {0: 50, 1: 70}).foreign == (1,)
    assert content_path(shared, tmp_path) == tmp_path / "set"
    assert explain_absence(shared, tmp_path) is None
    (tmp_path / "empty").mkdir()
    assert "there is no set in" in str(explain_absence(shared, tmp_path / "empty"))


def test_what_is_remembered_is_believed_file_by_file(tmp_path: Path) -> None:
    shared = plain(tmp_path)
    stamps = (FileStamp(50, 1), FileStamp(70, 2), None)
    state = ResumeState(info_hash=shared.info_hash, have=Bitfield.full(4).to_wire(), stamps=stamps)
    assert state.fits(shared)
    have, doubtful = state.trusted(shared, (FileStamp(50, 9), FileStamp(70, 2), None))
    assert list(have) == [2, 3]
    assert doubtful == [0, 1]


def test_marks_say_at_the_next_start_what_was_begun() -> None:
    here, gone = FileStamp(5, 1), None
    stamps = (here, here, gone, gone, here, None)
    priorities = (4, 4, 4, 0, 0)
    while_running = marks_of(stamps, priorities, not_ours={1}, is_last=False)
    assert list(while_running) == [BEING_WRITTEN, 0, BEING_WRITTEN, 0, BEING_WRITTEN]
    at_the_end = marks_of(stamps, priorities, not_ours={1}, is_last=True)
    assert list(at_the_end) == [AT_REST, 0, 0, 0, AT_REST]
    changed = (FileStamp(6, 2), here, gone, gone, here, None)
    assert begun_by_us(while_running, stamps, changed) == {0, 2, 4}, "whatever has become of them"
    assert begun_by_us(at_the_end, stamps, changed) == {4}


def test_places_are_claimed_and_locked_without_padding(tmp_path: Path) -> None:
    files = (FileEntry(("a",), 5, 0), FileEntry((".pad", "3"), 3, 5, is_padding=True))
    claims = PathClaims()
    held = HeldPlaces(files, tmp_path, info_hash=b"\1" * 20, name="one", writable=True, claims=claims)
    paths = [entry.path for entry in files]
    assert [path for group in held.group(paths, tmp_path).values() for path in group] == [("a",)]
    held.claim(held.group(paths, tmp_path))
    held.check(paths)
    held.lock(paths)
    assert [held.is_locked, held.is_shared] == [True, False]
    (tmp_path / "new").mkdir()
    held.move_lock(tmp_path / "new")
    assert [held.is_locked, held.is_shared] == [False, False]
    held.lock(paths)
    assert [path.name for path in (tmp_path / "new" / ".kad").iterdir()] == [f"{'01' * 20}.lock"]
    held.unlock()
    assert not (tmp_path / "new" / ".kad").exists()
