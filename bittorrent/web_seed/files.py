"""Which files of a torrent a web seed has, as far as it has shown: one bad file must not cost the others. Pure.

An archive changes a small file after publishing, moves one, or forbids it; the rest is as good as ever. So what goes
wrong is put down to the file that was asked for. The server lacks the pieces that touch a bad file, and is asked for
the file again after a while, with growing patience: it may have been repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bittorrent.errors import WebSeedError
from bittorrent.files.spans import FileSpans
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.web_seed.core import WebSeedConfig
from transfer.limits.backoff import Backoff


class ServedFiles:
    """The files that one server is believed to have. Files are numbers in `metainfo.files`; padding is none.

    Invariants:
        a piece is in `have` unless it was spoilt itself, or touches a bad file
    """

    def __init__(self, metainfo: Metainfo, config: WebSeedConfig) -> None:
        self.have = Bitfield.full(metainfo.piece_count)
        self._entries = metainfo.files
        self._geometry = metainfo.geometry
        self._config = config
        self._spans = FileSpans.without_padding(metainfo.files)
        self._bad: dict[int, _BadFile] = {}
        self._strikes: dict[int, int] = {}  # failures in a row that may be the server's
        self._failures: dict[
            tuple[int, bool], int
        ] = {}  # by file, and whether it was such a failure: sets the patience
        self._spoilt_files: dict[int, int] = {}  # how often one had other content
        self._spoilt_pieces: dict[
            int, float
        ] = {}  # that touch several files, so it is not known which is wrong: until when
        self._spoilt_often: dict[int, int] = {}
        self._probes: dict[int, int] = {}

    # What is learnt

    def failed(self, number: int, error: WebSeedError, *, now: float) -> list[int]:
        """A request for a file was not answered as it should be; returns the pieces that the server lacks since.

        What may pass (a server that is busy, a connection that broke) counts against the file when it happens twice
        without a byte of it in between; the only file of a torrent is the server.
        """
        if number in self._bad:
            return []
        if not error.is_final:
            self._strikes[number] = self._strikes.get(number, 0) + 1
            if self._strikes[number] < MAX_STRIKES or len(self._spans.numbers) == 1:
                return []
        self._bad[number] = bad = _BadFile(str(error), is_passing=not error.is_final)
        self._put_off(number, bad, now=now)
        return [piece for piece in self._pieces_of(number) if self.have.clear(piece)]

    def fetched(self, number: int) -> None:
        """Bytes of a file came."""
        self._strikes.pop(number, None)
        self._failures.pop((number, True), None)

    def spoilt(self, piece: int, *, now: float) -> list[int]:
        """A piece from this server has a wrong hash; returns the pieces that it lacks since.

        If only one file is in the piece, that one is another file than the torrent's. If there are several, only the
        piece is known to be bad; the next one will show which file is to blame.
        """
        touched = self._files_in(piece)
        if len(touched) != 1:
            often = self._spoilt_often[piece] = self._spoilt_often.get(piece, 0) + 1
            self._spoilt_pieces[piece] = now + self._growing(self._config.spoilt_backoff_s, often - 1)
            return [piece] if self.have.clear(piece) else []
        (number,) = touched
        if number in self._bad:
            return []
        self._spoilt_files[number] = self._spoilt_files.get(number, 0) + 1
        self._bad[number] = bad = _BadFile(WRONG_HASH, is_passing=False)
        bad.retry_at = now + self._growing(self._config.spoilt_backoff_s, self._spoilt_files[number] - 1)
        return [each for each in self._pieces_of(number) if self.have.clear(each)]

    def failed_again(self, number: int, error: WebSeedError, *, now: float) -> None:
        """A bad file is still bad."""
        bad = self._bad[number]
        bad.reason = str(error)
        bad.is_passing = not error.is_final
        self._put_off(number, bad, now=now)

    def postpone(self, number: int, *, now: float) -> None:
        """A bad file is not needed now."""
        self._bad[number].retry_at = now + self._config.file_backoff_s

    def recovered(self, number: int, *, now: float) -> list[int]:
        """A bad file is there now, in the right size; returns the pieces that the server has again.

        If the server was busy before, it may be so no longer with others.
        """
        bad = self._bad.pop(number)
        self._strikes.pop(number, None)
        if bad.is_passing:
            for other in self._bad.values():
                if other.is_passing:
                    other.retry_at = min(other.retry_at, now)
        return self._regain(self._pieces_of(number))

    def forgiven(self, *, now: float) -> list[int]:
        """The pieces with a wrong hash whose files may be repaired by now: the server has them again."""
        due = [piece for piece, until in self._spoilt_pieces.items() if until <= now]
        for piece in due:
            del self._spoilt_pieces[piece]
        return self._regain(due)

    # What to do

    def next_to_probe(self, is_needed: Callable[[range], bool]) -> int | None:
        """A file that is not known to be bad, to see whether the server is of use.

        Each in turn, needed and large ones first. None when all are bad. Cost: O(files).

        Args:
            is_needed: whether one of these pieces is wanted and not here.
        """
        good = (number for number in self._spans.numbers if number not in self._bad)
        found = min(
            good,
            key=lambda number: (
                self._probes.get(number, 0),
                not is_needed(self._pieces_of(number)),
                -self._entries[number].length,
            ),
            default=None,
        )
        if found is not None:
            self._probes[found] = self._probes.get(found, 0) + 1
        return found

    def next_timer(self) -> float | None:
        """When a bad file may be asked for again, or a piece is `forgiven`; None without one."""
        times = [bad.retry_at for bad in self._bad.values()]
        return min([*times, *self._spoilt_pieces.values()], default=None)

    def due(self, *, now: float) -> int | None:
        """The bad file that has waited longest for its time, if that has come."""
        number = min(self._bad, key=lambda number: self._bad[number].retry_at, default=None)
        return number if number is not None and self._bad[number].retry_at <= now else None

    # Views

    def is_bad(self, number: int) -> bool:
        return number in self._bad

    def pieces_of(self, number: int) -> range:
        """The pieces that a file touches."""
        return self._pieces_of(number)

    @property
    def is_useless(self) -> bool:
        """Nothing can be had from this server now."""
        return not self.have.count

    @property
    def is_hopeless(self) -> bool:
        """Nor ever: the only file of the torrent is another one there."""
        return len(self._spans.numbers) == 1 and bool(self._spoilt_files)

    @property
    def problem(self) -> str | None:
        """What is wrong, for people; None if nothing is."""
        reasons = dict.fromkeys(bad.reason for bad in self._bad.values())
        if not reasons:
            return WRONG_HASH if self._spoilt_pieces else None
        if self.is_useless and len(reasons) == 1:
            return next(iter(reasons))
        number, bad = next(iter(self._bad.items()))
        more = f" (and {len(self._bad) - 1} more of {len(self._spans.numbers)} files)" if len(self._bad) > 1 else ""
        return f"{self._entries[number]}: {bad.reason}{more}"

    def check_invariants(self) -> None:
        """Asserts what the class says about itself. Cost: O(pieces x files)."""
        for piece in range(self.have.size):
            assert (piece in self.have) is not self._is_lacking(piece)

    def _regain(self, pieces: Iterable[int]) -> list[int]:
        return [piece for piece in pieces if not self._is_lacking(piece) and self.have.set(piece)]

    def _is_lacking(self, piece: int) -> bool:
        return piece in self._spoilt_pieces or any(number in self._bad for number in self._files_in(piece))

    def _put_off(self, number: int, bad: _BadFile, *, now: float) -> None:
        key = (number, bad.is_passing)
        doublings = self._failures.get(key, 0)
        self._failures[key] = doublings + 1
        config = self._config
        bad.retry_at = now + self._growing(config.backoff_s if bad.is_passing else config.file_backoff_s, doublings)

    def _growing(self, first_s: float, doublings: int) -> float:
        return Backoff(first_s=first_s, max_s=self._config.max_file_backoff_s).delay_s(doublings + 1)

    def _pieces_of(self, number: int) -> range:
        entry = self._entries[number]
        return self._geometry.pieces_of(entry.offset, entry.length)

    def _files_in(self, piece: int) -> list[int]:
        return [number for number, _, _ in self._spans.cut(*self._geometry.piece_span(piece))]


class _BadFile:
    """`is_passing`: the server may have been busy."""

    __slots__ = ("is_passing", "reason", "retry_at")

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        self.reason = reason
        self.is_passing = is_passing
        self.retry_at = 0.0


WRONG_HASH = "it sent data with a wrong hash"
MAX_STRIKES = 2
