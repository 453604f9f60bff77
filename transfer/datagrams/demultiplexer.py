"""Which of several protocols on one UDP socket each datagram is for. Knows none of them: each says what it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from transfer.datagrams.runs import Run, split_run

Datagram: TypeAlias = tuple[bytes, Any]  # what came, and its sender as the socket names it
UserT = TypeVar("UserT")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagramClaim:
    """Which datagrams a protocol takes for its own.

    Attributes:
        first_bytes: what they begin with: each byte of it is one possibility.
        accepts: asked about a datagram that begins so, with its sender as the socket names it, whether it is one; None
            for every datagram that begins so. It is asked for whatever a stranger sends: it must be quick, must not
            raise, and must keep nothing.
        order: of several protocols that claim a datagram the one with the lowest gets it; of those with the same, the
            one that joined first.
        takes_all_alone: while it is the only one on the socket it gets whatever comes, as on a socket of its own.
        max_share: of this protocol, instead of the port's: for one that handles a datagram in less time than others.
    """

    first_bytes: bytes
    accepts: Callable[[bytes, Any], bool] | None = None
    order: int = 0
    takes_all_alone: bool = False
    max_share: int | None = None

    def __post_init__(self) -> None:
        if not self.first_bytes:
            raise ValueError("a claim names at least one first byte")
        if self.max_share is not None and self.max_share < 1:
            raise ValueError("max_share must be at least 1, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagramPortConfig:
    """How one socket is shared. Datagrams that came glued together (a run) count as one.

    Attributes:
        max_share: datagrams that one protocol is handed in a turn, as long as it is not the only one: while a flood
            keeps it busy, the others have their turns in between.
        max_waiting: datagrams that wait for the turns of one protocol; further ones are dropped.
        receive_buffer_bytes, send_buffer_bytes: asked of the system as soon as a protocol joins that takes runs; the
            system may give less (Linux: net.core.rmem_max and wmem_max). Smaller ones than there are change nothing.
    """

    max_share: int = 32
    max_waiting: int = 256
    receive_buffer_bytes: int = 4 * 1024 * 1024
    send_buffer_bytes: int = 1024 * 1024

    def __post_init__(self) -> None:
        if not 1 <= self.max_share <= self.max_waiting:
            raise ValueError("max_share must be at least 1, and max_waiting at least max_share")
        if self.receive_buffer_bytes < 0 or self.send_buffer_bytes < 0:
            raise ValueError("receive_buffer_bytes and send_buffer_bytes must not be negative")


DEFAULT_CONFIG = DatagramPortConfig()


@dataclass(frozen=True, slots=True)
class DatagramPortStats:
    """What became of the datagrams so far. Those that came glued together for a protocol that takes runs count as one.

    Attributes:
        received: all of them.
        unclaimed: dropped, since no protocol claimed them.
        dropped: claimed, but too many of that protocol waited already, or it left before its turn.
    """

    received: int
    unclaimed: int
    dropped: int


class Demultiplexer(Generic[UserT]):
    """Sorts datagrams by the protocol that claims them, and hands each protocol its own, in the order of their arrival.

    After `receive`, call `take` in every turn of the event loop while it `is_waiting`.

    Invariants:
        a datagram goes to one user at most
        at most `max_waiting` datagrams wait for each user
    """

    def __init__(self, config: DatagramPortConfig | None = None) -> None:
        self._config = config or DEFAULT_CONFIG
        self._seats: dict[UserT, _Seat] = {}
        self._by_first_byte: Sequence[tuple[_Seat, ...]] = NOBODY
        self._sole_user: UserT | None = None
        self._unclaimed = 0
        self._dropped = 0
        self._taken = 0
        self._waiting = 0

    def add(self, user: UserT, claim: DatagramClaim, *, takes_runs: bool = False) -> None:
        """From now on `user` takes part.

        Args:
            takes_runs: what comes by `receive_runs` is handed to it in runs.

        Raises:
            ValueError: it does already, or another user takes all that begins as it claims.
        """
        if user in self._seats:
            raise ValueError(f"{user!r} takes part already")
        for other in self._seats.values() if claim.accepts is None else ():
            if other.accepts is None and set(other.claim.first_bytes) & set(claim.first_bytes):
                raise ValueError("another protocol on this socket takes every datagram that begins so already")
        share = self._config.max_share if claim.max_share is None else claim.max_share
        self._seats[user] = _Seat(claim, share, takes_runs=takes_runs)
        self._look_at_claims()

    def remove(self, user: UserT) -> None:
        """`user` leaves, and what waits for it is dropped. Without effect if it does not take part."""
        seat = self._seats.pop(user, None)
        if seat is not None:
            self._dropped += len(seat.waiting)
            self._waiting -= len(seat.waiting)
            self._look_at_claims()

    def receive(self, datagrams: Iterable[Datagram]) -> None:
        """What has arrived, in order. Never raises for what a stranger sent."""
        by_first_byte, limit = self._by_first_byte, self._config.max_waiting
        for datagram in datagrams:
            data = datagram[0]
            for seat in by_first_byte[data[0]] if data else ():
                if seat.accepts is None or seat.accepts(data, datagram[1]):
                    if len(seat.waiting) < limit:
                        seat.waiting.append(datagram)
                        self._waiting += 1
                    else:
                        self._dropped += 1
                    break
            else:
                self._unclaimed += 1

    def receive_runs(self, runs: Iterable[Run]) -> None:
        """What has arrived, where datagrams may come glued: a run that is all for one user that takes runs stays whole.

        The kernel glues what comes from one sender in one size, whatever protocols it belongs to.
        """
        by_first_byte, limit = self._by_first_byte, self._config.max_waiting
        for run in runs:
            data, source, size = run
            seats = by_first_byte[data[0]] if data else ()
            if seats and (known := seats[0].run_bytes) and not data[::size].translate(None, known):
                self._keep(seats[0], run, limit)
                continue
            for datagram in split_run(data, size):
                for seat in by_first_byte[datagram[0]] if datagram else ():
                    if seat.accepts is None or seat.accepts(datagram, source):
                        self._keep(
                            seat, (datagram, source, len(datagram)) if seat.takes_runs else (datagram, source), limit
                        )
                        break
                else:
                    self._unclaimed += 1

    def take(self) -> list[tuple[UserT, list[Any]]]:
        """What each user is to look at in this turn; a user whose list would be empty is not named.

        Returns:
            for each such user what it is handed: a `Datagram` each; what came by `receive_runs` for a user that takes
            runs, a `Run` each.
        """
        is_shared = len(self._seats) > 1
        batches: list[tuple[UserT, list[Any]]] = []
        for user, seat in self._seats.items():
            if seat.waiting:
                batch, seat.waiting = seat.waiting, []
                share = seat.share
                if is_shared and len(batch) > share:
                    batch, seat.waiting = batch[:share], batch[share:]
                self._taken += len(batch)
                self._waiting -= len(batch)
                batches.append((user, batch))
        return batches

    @property
    def sole_user(self) -> UserT | None:
        """The user that everything is for now, so that it need not be sorted; what is not sorted is not counted."""
        return None if self._waiting else self._sole_user

    @property
    def is_waiting(self) -> bool:
        """Whether there is anything left to take."""
        return self._waiting > 0

    def stats(self) -> DatagramPortStats:
        """What became of the datagrams so far."""
        received = self._unclaimed + self._dropped + self._taken + self._waiting
        return DatagramPortStats(received, self._unclaimed, self._dropped)

    def check_invariants(self) -> None:
        waiting = [len(seat.waiting) for seat in self._seats.values()]
        assert max(waiting, default=0) <= self._config.max_waiting
        assert self._waiting == sum(waiting)
        assert {seat for seats in self._by_first_byte for seat in seats} == set(self._seats.values())
        for seats in self._by_first_byte:
            orders = [seat.claim.order for seat in seats]
            assert orders == sorted(orders)

    def _keep(self, seat: _Seat, arrived: Datagram | Run, limit: int) -> None:
        if len(seat.waiting) < limit:
            seat.waiting.append(arrived)
            self._waiting += 1
        else:
            self._dropped += 1

    def _look_at_claims(self) -> None:
        """Which users to ask about each first byte: the sort is stable, and `_seats` in the order of joining."""
        if not self._seats:
            self._by_first_byte, self._sole_user = NOBODY, None
            return
        seats = sorted(self._seats.values(), key=lambda seat: seat.claim.order)
        by_first_byte: list[tuple[_Seat, ...]] = [()] * 256
        self._by_first_byte = by_first_byte
        for seat in seats:
            for byte in {*seat.claim.first_bytes}:
                by_first_byte[byte] += (seat,)
        for seat in seats:
            if seat.takes_runs and seat.accepts is None:
                seat.run_bytes = bytes(byte for byte in range(256) if self._by_first_byte[byte] == (seat,))
        is_alone = len(seats) == 1 and seats[0].claim.takes_all_alone
        self._sole_user = next(iter(self._seats)) if is_alone else None


class _Seat:
    """One user's claim, and what waits for it."""

    __slots__ = ("accepts", "claim", "run_bytes", "share", "takes_runs", "waiting")

    def __init__(self, claim: DatagramClaim, share: int, *, takes_runs: bool) -> None:
        self.claim = claim
        self.accepts = claim.accepts
        self.share = share
        self.takes_runs = takes_runs
        self.run_bytes = b""  # a run whose datagrams all begin with one of these is this user's as a whole
        self.waiting: list[Datagram | Run] = []


NOBODY: tuple[tuple[_Seat, ...], ...] = ((),) * 256
