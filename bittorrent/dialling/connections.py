"""The connections of one torrent, from the call or the knock at the door to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from bittorrent.dialling.connected_peer import ConnectedPeer
from bittorrent.dialling.paths import DialPath
from bittorrent.origin import Origin
from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.places import Seat


class Stage(Enum):
    """How far a connection is."""

    CALLING = auto()  # we called, and the peer has not accepted yet
    GREETING = auto()  # it stands; the handshakes are not done
    MET = auto()  # it takes part


@dataclass(slots=True)
class Connection:
    """What is known of one.

    Attributes:
        address: of the peer that we called, or that came.
        order: the paths that are left to call this peer by, the present one first, without those that another call to
            the same peer has; none for a peer that came.
        since: when the stage began.
        is_leaving: it was told to end, and has not ended yet.
        peer_id: which the other side gave itself, once that is known.
        seat: its place among all connections; None for a peer in this process, which needs none.
        peer: what takes part, from MET on.
    """

    number: int
    origin: Origin
    order: tuple[DialPath, ...]
    stage: Stage
    since: float
    seat: Seat | None
    is_leaving: bool = False
    peer_id: bytes | None = None
    peer: ConnectedPeer | None = None

    @property
    def is_called(self) -> bool:
        """Whether we made it."""
        return bool(self.order)

    @property
    def address(self) -> Address:
        """The endpoint of a peer; only a connection to a peer has one."""
        assert isinstance(self.origin, Address)
        return self.origin

    @property
    def remote(self) -> Origin:
        """Its other end, as well as we know it."""
        return self.peer.address if self.peer is not None else self.origin


class Connections:
    """Keeps the connections by number, and gives their places back.

    Invariants:
        no endpoint is called twice by one way at a time, nor more than twice, nor at all once a call was accepted
        a connection that was told to end has no place any more
    """

    def __init__(self, admission: AdmissionCore) -> None:
        self.met: dict[int, ConnectedPeer] = {}  # the peers that take part and may stay, in the order of their meeting
        self.half_open = 0  # how many are CALLING
        self._admission = admission
        self._all: dict[int, Connection] = {}
        self._called: dict[Address, list[Connection]] = {}
        self._last = 0

    def add(
        self, address: Origin, stage: Stage, seat: Seat | None, *, order: tuple[DialPath, ...] = (), since: float
    ) -> Connection:
        """A new one; numbers are never used twice."""
        self._last += 1
        made = self._all[self._last] = Connection(self._last, address, order, stage, since, seat)
        if order:
            self._called.setdefault(made.address, []).append(made)
        self.half_open += stage is Stage.CALLING
        return made

    def open(self, number: int, *, now: float) -> None:
        """The peer has accepted."""
        connection = self._all[number]
        connection.stage, connection.since = Stage.GREETING, now
        self.half_open -= 1
        if connection.seat is not None:
            self._admission.opened(connection.seat)

    def meet(self, number: int, peer: ConnectedPeer, *, now: float) -> None:
        """The peer takes part."""
        connection = self._all[number]
        connection.stage, connection.since, connection.peer = Stage.MET, now, peer
        self.met[number] = peer

    def leave(self, number: int) -> None:
        """It was told to end: it counts no more among those that were met, and others may have its place."""
        connection = self._all[number]
        connection.is_leaving = True
        self.met.pop(number, None)
        self._give_back(connection)

    def remove(self, number: int) -> Connection | None:
        """It is gone; None if it was before."""
        connection = self._all.pop(number, None)
        if connection is None:
            return None
        if connection.is_called:
            calls = self._called[connection.address]
            calls.remove(connection)
            if not calls:
                del self._called[connection.address]
        if connection.peer is not None:
            self.met.pop(number, None)
        self.half_open -= connection.stage is Stage.CALLING
        self._give_back(connection)
        return connection

    # Views

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all.values())

    def __getitem__(self, number: int) -> Connection:
        return self._all[number]

    def get(self, number: int) -> Connection | None:
        """The connection of this number, if it is not gone."""
        return self._all.get(number)

    def has_call_to(self, address: Address) -> bool:
        """Whether there is a connection that we made to this endpoint."""
        return address in self._called

    def rival_of(self, connection: Connection) -> Connection | None:
        """The other call to the same peer, if there is one that was not accepted yet."""
        calls = self._called.get(connection.address, ())
        return next((one for one in calls if one is not connection and one.stage is Stage.CALLING), None)

    def endpoints(self) -> set[Origin]:
        """Where those are that take part, and where they say that they listen."""
        found = {peer.listen_address for peer in self.met.values()}
        return found | {peer.address for peer in self.met.values()}

    def calls_to(self, address: Address) -> tuple[Connection, ...]:
        """The connections that we made, or are making, to an endpoint."""
        return tuple(self._called.get(address, ()))

    def number_of(self, peer: ConnectedPeer) -> int:
        """The number of a peer that takes part. Cost: O(met)."""
        return next(number for number, other in self.met.items() if other is peer)

    def numbers_where(self, is_meant: Callable[[Connection], bool]) -> list[int]:
        """All that stand, may stay so far, and are meant: first those that take part."""
        greeting = (connection for connection in self._all.values() if connection.stage is Stage.GREETING)
        standing = [*(self._all[number] for number in self.met), *greeting]
        return [connection.number for connection in standing if not connection.is_leaving and is_meant(connection)]

    def begun(self) -> Iterator[Connection]:
        """Those that were not met yet."""
        return (connection for connection in self._all.values() if connection.stage is not Stage.MET)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        for connection in self._all.values():
            assert connection.seat is None or connection.seat.is_gone == connection.is_leaving
        assert self.half_open == sum(connection.stage is Stage.CALLING for connection in self._all.values())
        called = [connection for connection in self._all.values() if connection.is_called]
        assert {id(one) for one in called} == {id(one) for calls in self._called.values() for one in calls}
        for address, calls in self._called.items():
            assert all(one.address == address for one in calls)
            assert len({one.order[0].way for one in calls}) == len(calls) in (1, 2)
            assert len(calls) == 1 or all(one.stage is Stage.CALLING for one in calls)
            assert len({path for one in calls for path in one.order}) == sum(len(one.order) for one in calls)
        staying = (connection for connection in self._all.values() if not connection.is_leaving)
        assert self.met == {one.number: one.peer for one in staying if one.peer is not None}

    def _give_back(self, connection: Connection) -> None:
        if connection.seat is not None:
            self._admission.leave(connection.seat)
