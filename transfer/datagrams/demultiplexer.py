"""Which of several protocols on one UDP socket each datagram is for. Knows none of them: each says what it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

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
    """

    first_bytes: bytes
    accepts: Callable[[bytes, Any], bool] | None = None
    order: int = 0
    takes_all_alone: bool = False

    def __post_init__(self) -> None:
        if not self.first_bytes:
            raise ValueError("a claim names at least one first byte")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagramPortConfig:
    """How one socket is shared.

    Attributes:
        max_share: datagrams that one protocol is handed in a turn, as long as it is not the only one: while a flood
            keeps it busy, the others have their turns in between.
        max_waiting: datagrams that wait for the turns of one protocol; further ones are dropped.
    """

    max_share: int = 32
    max_waiting: int = 256

    def __post_init__(self) -> None:
        if not 1 <= self.max_share <= self.max_waiting:
            raise ValueError("max_share must be at least 1, and max_waiting at least max_share")


@dataclass(frozen=True, slots=True)
class DatagramPortStats:
    """What became of the datagrams so far.

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
        self._config = config or DatagramPortConfig()
        self._seats: dict[UserT, _Seat] = {}
        self._by_first_byte: list[tuple[_Seat, ...]] = [()] * 256
        self._sole_user: UserT | None = None
        self._unclaimed = 0
        self._dropped = 0
        self._taken = 0
        self._waiting = 0

    def add(self, user: UserT, claim: DatagramClaim) -> None:
        """From now on `user` takes part.

        Raises:
            ValueError: it does already, or another user takes all that begins as it claims.
        """
        if user in self._seats:
            raise ValueError(f"{user!r} takes part already")
        for other in self._seats.values() if claim.accepts is None else ():
            if other.accepts is None and set(other.claim.first_bytes) & set(claim.first_bytes):
                raise ValueError("another protocol on this socket takes every datagram that begins so already")
        self._seats[user] = _Seat(claim)
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

    def take(self) -> list[tuple[UserT, list[Datagram]]]:
        """What each user is to look at in this turn; a user whose list would be empty is not named."""
        is_shared, share = len(self._seats) > 1, self._config.max_share
        batches: list[tuple[UserT, list[Datagram]]] = []
        for user, seat in self._seats.items():
            if seat.waiting:
                batch, seat.waiting = seat.waiting, []
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

    def _look_at_claims(self) -> None:
        """Which users to ask about each first byte: the sort is stable, and `_seats` in the order of joining."""
        seats = sorted(self._seats.values(), key=lambda seat: seat.claim.order)
        self._by_first_byte = [tuple(seat for seat in seats if byte in seat.claim.first_bytes) for byte in range(256)]
        is_alone = len(seats) == 1 and seats[0].claim.takes_all_alone
        self._sole_user = next(iter(self._seats)) if is_alone else None


class _Seat:
    """One user's claim, and what waits for it."""

    __slots__ = ("accepts", "claim", "waiting")

    def __init__(self, claim: DatagramClaim) -> None:
        self.claim = claim
        self.accepts = claim.accepts
        self.waiting: list[Datagram] = []
