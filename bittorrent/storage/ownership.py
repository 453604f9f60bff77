"""Which files are ours, of those that lie where a torrent wants to write: what others put there is not overwritten."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bittorrent.errors import StorageError
from bittorrent.files.file_set import FileSet
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.file_facts import ADVICE
from bittorrent.storage.ports import FileStamp


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about files that hold something and that this torrent is not known to have begun.

    Attributes:
        foreign: those that belong to others.
        unclear: as long as they should be, but each of their pieces reaches into other files, which are not whole. So
            nothing can be said yet: what is to be written there has to be what is there already.
    """

    foreign: tuple[int, ...]
    unclear: tuple[int, ...]


def judge_files(torrent: FileSet, have: Bitfield, found: Mapping[int, int]) -> Verdict:
    """Decides which files are ours and which belong to others.

    One right piece makes a file ours: an earlier run or another program fetched it. Without any, a file belongs to
    others, be it shorter, longer or as long as in the torrent, with one exception: `Verdict.unclear`, in folders
    where other files are ours.

    Args:
        have: the pieces that are right.
        found: the sizes of the files in question, by their number.
    """
    geometry = torrent.geometry
    foreign: list[int] = []
    unclear: list[int] = []
    for number, size in found.items():
        entry = torrent.files[number]
        pieces = geometry.pieces_of(entry.offset, entry.length)
        if have.count_between(pieces.start, pieces.stop):
            continue
        spans = map(geometry.piece_span, pieces[:2])
        has_own_piece = any(entry.offset <= begin and begin + length <= entry.end for begin, length in spans)
        is_possible = size == entry.length and not has_own_piece and have.count > 0
        (unclear if is_possible else foreign).append(number)
    return Verdict(tuple(foreign), tuple(unclear))


def begun_by_us(begun: bytes, then: Sequence[FileStamp | None], present: Sequence[FileStamp | None]) -> set[int]:
    """The files that an earlier run began, of which its state tells: see `ResumeState.begun`."""
    marks = begun or bytes(AT_REST if stamp is not None else 0 for stamp in then[:-1])
    return {
        number
        for number, mark in enumerate(marks)
        if mark == BEING_WRITTEN or (mark == AT_REST and then[number] == present[number] is not None)
    }


def marks_of(
    stamps: Sequence[FileStamp | None], priorities: Sequence[int], *, not_ours: Collection[int], is_last: bool
) -> bytes:
    """What `begun_by_us` of the next start will go by: see `ResumeState.begun`.

    Args:
        stamps: of each file, and last of the part file.
        priorities: of each file; nothing at all when all are wanted.
        not_ours: the numbers of files that belong to others, or may do so.
        is_last: nothing is written any more.
    """
    marks = bytearray(len(stamps) - 1)
    for number, stamp in enumerate(stamps[:-1]):
        is_wanted = not priorities or priorities[number] > 0
        if number in not_ours or (stamp is None and not is_wanted):
            continue
        marks[number] = (AT_REST if stamp is not None else 0) if is_last else BEING_WRITTEN
    return bytes(marks)


def foreign_error(paths: Sequence[str], name: str) -> StorageError:
    """Why nothing is written to the files at `paths`."""
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return StorageError(f"{paths[0]}{more} is there already and is not from {name}; {ADVICE}", path=paths[0])


BEING_WRITTEN, AT_REST = 1, 2
