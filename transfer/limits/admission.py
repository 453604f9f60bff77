"""Who may connect: from the knock at the door, or the call, to the end of the connection. Pure.

    arrive ──► half-open ──settle──► settled ──► leave          inbound
    call   ──► half-open ──opened──► settled ──► leave          outbound

Nobody who comes is refused because others wait for their handshakes: the worst of those leaves (`HalfOpenCore`). What
is settled, nobody ends here: that is for the owner of the connections to say, who knows what they are worth. A group
that has none, or next to none, may use the reserve; as long as that is in use, the group that has most is told
(`owes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.half_open import HalfOpenCore
from transfer.limits.journal import LimitsReport, RefusalJournal
from transfer.limits.machine import UNKNOWN, Machine
from transfer.limits.places import Group, Places, Seat
from transfer.limits.refusal import Refusal
from transfer.limits.resources import Resource
from transfer.limits.shares import Networks
from transfer.limits.source_limiter import SourceLimiter


@dataclass(frozen=True, slots=True)
class Arrival:
    """What becomes of somebody who knocks: a seat, or a refusal; and which half-open connections end for it.

    It may be among those itself.
    """

    seat: Seat | None
    refusal: Refusal | None = None
    leaving: tuple[Seat, ...] = ()


class AdmissionCore:
    """Counts connections and says no.

    Args:
        machine: what limits that are not given are made of.
        journal: where refusals are noted.

    Attributes:
        budget: the root of the tree: whoever owns the program may reserve memory and streams in it, too.
        blocks: says which hosts do not even wait; may be set at any time.
        refused: connections that came and were sent away, whatever the reason.

    Invariants:
        a connection counts from `arrive` or `call` until `leave`, once, whatever is called twice or never
        no limit of the config is ever exceeded
    """

    def __init__(
        self,
        config: AdmissionConfig | None = None,
        *,
        machine: Machine = UNKNOWN,
        journal: RefusalJournal | None = None,
        now: float = 0.0,
    ) -> None:
        self.config = config or AdmissionConfig()
        self.journal = journal or RefusalJournal()
        self.blocks: Callable[[str], bool] = lambda host: False
        self.refused = 0
        self.exempt = Networks(self.config.exempt)
        self.budget = Scope(ScopeKind.SYSTEM, "system", self.config.system_limits(machine))
        self._max_waiting = self.config.half_open(machine).max_waiting
        self._places = Places(self.budget, self.config, machine=machine)
        self._half_open = HalfOpenCore(self.config.half_open(machine))
        self._rate = SourceLimiter(self.config.rate, now=now)
        self._seats: dict[int, Seat] = {}  # the half-open inbound ones
        self._last = 0

    # Those who come

    def arrive(self, host: str, *, now: float) -> Arrival:
        """A connection from `host` was accepted, and nothing has been read from it."""
        if self.blocks(host):
            self.refused += 1  # and nothing is noted: whoever blocks knows
            return Arrival(None)
        is_exempt = host in self.exempt
        if (refusal := self._too_fast(host, is_exempt=is_exempt, now=now)) is not None:
            return Arrival(None, self._refuse(refusal, host, now=now))
        self._last += 1
        seat = self._places.arrive(self._last, host, is_exempt=is_exempt)
        leaving: list[Seat] = []
        while (refusal := self._places.enter(seat)) is not None:
            worst = self._half_open.dismiss_worst()
            if worst is None:
                self._places.leave(seat)
                return Arrival(None, self._refuse(refusal, host, now=now), tuple(leaving))
            leaving.append(self._dismiss(worst, refusal, now=now))
        self._seats[seat.number] = seat
        connected = self._places.of_address(host)
        for number in self._half_open.arrive(seat.number, host, connected=connected, is_exempt=is_exempt, now=now):
            leaving.append(self._dismiss(number, self._crowd(), now=now))
        return Arrival(seat, None, tuple(leaving))

    def settle(self, seat: Seat, *, group: Group | None = None, now: float) -> Refusal | None:
        """The handshake is done, and what it asks for is here. A refusal ends the connection.

        Args:
            group: what the connection is for; a group that has few may use the reserve.
        """
        if seat.is_gone:
            return None
        self._half_open.finish(seat.number, is_welcome=True)
        self._seats.pop(seat.number, None)
        refusal = self._places.settle(seat, group)
        if refusal is not None:
            self.refused += 1
            self._places.leave(seat)
            return self._note(refusal, seat.host, now=now)
        return None

    def refuse(self, seat: Seat, refusal: Refusal, *, now: float) -> None:
        """The owner of the connections has a limit of its own that says no: it is noted, and the connection ends."""
        self._half_open.finish(seat.number, is_welcome=True)
        self._refuse(refusal, seat.host, now=now)
        self.leave(seat)

    def put_out(self, host: str, reason: Refusal, *, now: float) -> None:
        """A settled connection ends because others need its place: that is noted like a refusal."""
        self._note(reason, host, now=now)

    def turn_away(self, seat: Seat) -> None:
        """Its handshake asks for what is not here: nothing is held against its host."""
        if seat.number in self._half_open:
            self._half_open.finish(seat.number, is_welcome=False)
            self.refused += 1
        self.leave(seat)

    # Those who are called

    def call(self, host: str, *, group: Group | None = None, now: float) -> Seat | Refusal:
        """A place for a connection that is to be made."""
        self._last += 1
        seat = self._places.call(self._last, host, group, is_exempt=host in self.exempt)
        return self._note(seat, host, now=now) if isinstance(seat, Refusal) else seat

    def opened(self, seat: Seat) -> None:
        """The call was accepted."""
        self._places.open(seat)

    def leave(self, seat: Seat) -> None:
        """A connection is gone, or will be soon. Harmless twice."""
        if seat.is_gone:
            return
        self._half_open.leave(seat.number)
        self._seats.pop(seat.number, None)
        self._places.leave(seat)

    def join(self, name: str) -> Group:
        """A new group of connections: a torrent, a service, a protocol."""
        return self._places.join(name)

    def part(self, group: Group) -> None:
        """The group is over; its connections count until they are gone."""
        self._places.part(group)

    # Clock

    def handle_timer(self, *, now: float) -> list[Seat]:
        """Those whose handshake takes too long: their connections end."""
        overdue = []
        for number in self._half_open.handle_timer(now=now):
            seat = self._seats.pop(number)
            self._places.leave(seat)
            self.refused += 1
            overdue.append(seat)
            timeout_s = self.config.handshake_timeout_s
            refusal = Refusal(
                limit=self.config.name_of("handshake_timeout_s"),
                scope="its handshake",
                what="seconds",
                in_use=round(timeout_s),
                most=round(timeout_s),
            )
            self._note(refusal, seat.host, now=now)
        return overdue

    def next_timer(self) -> float | None:
        """When the oldest handshake has taken too long."""
        return self._half_open.next_timer()

    # Views

    def room_to_call(self, group: Group | None = None) -> int:
        """How many calls a group may begin now; 0 or less: none."""
        return self._places.room_to_call(group)

    def lacking(self, group: Group | None = None, *, is_inbound: bool) -> Resource | None:
        """What of all connections together has run out for one more of this group; None: it fits.

        For CONNECTIONS_IN and CONNECTIONS_OUT only the end of a connection of that direction helps.
        """
        return self._places.lacking(group, is_inbound=is_inbound)

    def is_address_full(self, seat: Seat) -> bool:
        """Whether it would be refused because of its address or network."""
        return self._places.is_address_full(seat)

    def shortage(self, resource: Resource) -> Refusal | None:
        """What an ordinary use of something that all share would be told; None: it fits."""
        return self._places.shortage(resource)

    def owes(self, group: Group) -> Resource | None:
        """What this group has most of, while those that have next to none use the reserve: it gives one up."""
        return self._places.owes(group)

    def is_waiting(self, seat: Seat) -> bool:
        """Whether the handshake of a connection that came is not done, and it may stay so far."""
        return seat.number in self._half_open

    @property
    def waiting(self) -> int:
        """Connections that came and are in their handshake."""
        return len(self._half_open)

    @property
    def inbound(self) -> int:
        """Connections that came, whatever their stage."""
        return self.budget.used(Resource.CONNECTIONS_IN)

    @property
    def outbound(self) -> int:
        """Connections that we made, those being called included."""
        return self.budget.used(Resource.CONNECTIONS_OUT)

    @property
    def dialling(self) -> int:
        """Calls that were not accepted yet."""
        return self._places.transient.used(Resource.CONNECTIONS_OUT)

    def of_address(self, host: str) -> int:
        """How many connections there are with an address, those that are in their handshake left out."""
        return self._places.of_address(host)

    def explain(self, *, now: float) -> LimitsReport:
        """Which limit refused whom in the last minutes, and how much is in use."""
        usage = {**_usage(self._places.settled, CONNECTIONS), **_usage(self.budget, MEANS)}
        usage[self.config.name_of("max_half_open")] = (self.waiting, self._max_waiting)
        usage[self.config.name_of("max_dialling")] = (self.dialling, self.config.max_dialling)
        return self.journal.report(now=now, usage=usage)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        self.budget.check_invariants()
        self._half_open.check_invariants()
        self._places.check_invariants()
        self.journal.check_invariants()
        assert len(self._seats) == len(self._half_open)
        config = self.config
        assert self.inbound - self.waiting <= config.max_inbound
        assert self.inbound + self.outbound - self.waiting <= (config.max_connections or float("inf"))
        assert self.outbound <= config.max_outbound
        assert self.dialling <= config.max_dialling

    def _too_fast(self, host: str, *, is_exempt: bool, now: float) -> Refusal | None:
        is_named = "." not in host and ":" not in host
        if self._rate.admit_exempt(now=now) if is_exempt or is_named else self._rate.admit(host, now=now):
            return None
        config = self.config
        if not is_exempt and not is_named and self._rate.is_spent(host):
            burst, name = config.accept_burst_per_address, "accepts_per_address_per_s"
            return _spent(config.name_of(name), "its address", burst)
        return _spent(config.name_of("accepts_per_s"), "system", config.accept_burst)

    def _crowd(self) -> Refusal:
        most = self._max_waiting
        return Refusal(
            limit=self.config.name_of("max_half_open"),
            scope="system",
            what="connections in their handshake",
            in_use=min(most, len(self._half_open) + 1),
            most=most,
        )

    def _dismiss(self, number: int, refusal: Refusal, *, now: float) -> Seat:
        """A connection that waits makes room."""
        seat = self._seats.pop(number)
        self._places.leave(seat)
        self._refuse(refusal, seat.host, now=now)
        return seat

    def _refuse(self, refusal: Refusal, host: str, *, now: float) -> Refusal:
        self.refused += 1
        return self._note(refusal, host, now=now)

    def _note(self, refusal: Refusal, host: str, *, now: float) -> Refusal:
        noted = replace(refusal, subject=host)
        self.journal.note(noted, now=now)
        return noted


def _spent(limit: str, scope: str, burst: float) -> Refusal:
    return Refusal(limit=limit, scope=scope, what="connections at once", in_use=round(burst), most=round(burst))


def _usage(scope: Scope, resources: tuple[Resource, ...]) -> dict[str, tuple[int, int]]:
    """The limits of a scope by the names that users know, how much of them is in use, and how much there is."""
    usage = {}
    for resource in resources:
        room = scope.room(resource)
        if room is not None:
            used = scope.used(resource)
            usage[scope.limits.setting_of(resource)] = (used, used + room)
    return usage


CONNECTIONS = (Resource.CONNECTIONS_IN, Resource.CONNECTIONS_OUT, Resource.CONNECTIONS)
MEANS = (Resource.DESCRIPTORS, Resource.MEMORY)
