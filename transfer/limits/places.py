"""The places that connections take in the tree of scopes: of an address, a network, a group, and all together. Pure."""

from __future__ import annotations

from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.machine import Machine
from transfer.limits.refusal import Refusal
from transfer.limits.resources import NO_LIMITS, Priority, Resource, connection_charge
from transfer.limits.shares import network_name, network_of, share_name, share_of


class Group:
    """Connections for one purpose: a torrent, a service, a protocol.

    Attributes:
        settled: how many of them are done with their handshake.
    """

    __slots__ = ("scope", "settled")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.settled = 0

    @property
    def connections(self) -> int:
        """Those being called included."""
        return self.scope.used(Resource.CONNECTIONS)


class Seat:
    """The place of one connection.

    Attributes:
        number: never used twice by one `AdmissionCore`.
        scope: what it reserves more, memory or streams, is charged here, and released with it.
    """

    __slots__ = ("group", "host", "is_exempt", "is_inbound", "is_settled", "number", "scope")

    def __init__(self, number: int, host: str, scope: Scope, is_inbound: bool, is_exempt: bool) -> None:
        self.number = number
        self.host = host
        self.scope = scope
        self.is_inbound = is_inbound
        self.is_exempt = is_exempt
        self.is_settled = False
        self.group: Group | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it counts no more."""
        return self.scope.is_closed

    def __repr__(self) -> str:
        direction = "from" if self.is_inbound else "to"
        state = "gone" if self.is_gone else "settled" if self.is_settled else "half-open"
        return f"<seat {self.number} {direction} {self.host}: {state}>"


class Places:
    """Moves seats about in the tree.

    Args:
        system: the root.

    Invariants:
        scopes of addresses and networks exist as long as they hold something
        the settled seats of a group are counted in it
    """

    def __init__(self, system: Scope, config: AdmissionConfig, *, machine: Machine) -> None:
        self.system = system
        self.transient = system.child(ScopeKind.TRANSIENT, "the dialler", config.transient_limits)
        self.settled = system.child(ScopeKind.SETTLED, "system", config.settled_limits(machine))
        self._config = config
        self._networks: dict[bytes, Scope] = {}
        self._addresses: dict[bytes, Scope] = {}
        self._groups: dict[Group, None] = {}

    # Groups

    def join(self, name: str) -> Group:
        """A new one."""
        group = Group(self.system.child(ScopeKind.PROTOCOL, name))
        self._groups[group] = None
        return group

    def part(self, group: Group) -> None:
        """It is over, as soon as it is empty."""
        self._groups.pop(group, None)
        self._clear(group)

    # Seats

    def arrive(self, number: int, host: str, *, is_exempt: bool) -> Seat:
        """One that came. What it needs for its handshake is still to be reserved: `enter`."""
        return Seat(number, host, self.transient.child(ScopeKind.CONNECTION, host), True, is_exempt)

    def enter(self, seat: Seat) -> Refusal | None:
        """Reserves what a handshake needs."""
        return seat.scope.try_reserve(connection_charge(is_inbound=True))

    def settle(self, seat: Seat, group: Group | None) -> Refusal | None:
        """One that came is done with its handshake."""
        if seat.is_settled:
            return None
        priority = self._priority(group)
        refusal = seat.scope.try_reserve({Resource.MEMORY: self._config.connection_memory_bytes}, priority=priority)
        if refusal is None:
            address = self._address(seat)
            refusal = seat.scope.move(address, *_scopes(group), priority=priority)
        if refusal is None:
            seat.group = group
            self._settled(seat)
        return refusal

    def call(self, number: int, host: str, group: Group | None, *, is_exempt: bool) -> Seat | Refusal:
        """A place for a call, which counts for all but the handshakes from the beginning."""
        seat = Seat(number, host, self.transient.child(ScopeKind.CONNECTION, host), False, is_exempt)
        refusal = seat.scope.move(self.transient, self._address(seat), *_scopes(group))
        assert refusal is None  # it is empty
        seat.group = group
        charge = connection_charge(is_inbound=False, memory=self._config.connection_memory_bytes)
        refusal = seat.scope.try_reserve(charge, priority=self._priority_of_call(group))
        if refusal is not None:
            self.leave(seat)
            return refusal
        return seat

    def open(self, seat: Seat) -> None:
        """A call was accepted. It counted for all that is above it already, so nothing can refuse it."""
        if not seat.is_gone and not seat.is_settled:
            refusal = seat.scope.move(self._addresses[share_of(seat.host)], *_scopes(seat.group))
            assert refusal is None
            self._settled(seat)

    def leave(self, seat: Seat) -> None:
        """It is gone."""
        if seat.is_gone:
            return
        seat.scope.close()
        if seat.group is not None:
            seat.group.settled -= seat.is_settled
            if seat.group not in self._groups:
                self._clear(seat.group)
        self._forget(seat)

    # Views

    def room_to_call(self, group: Group | None) -> int:
        """How many calls may begin, as far as all connections together go."""
        room = self._room_to_call(Priority.ORDINARY)
        if group is not None and group.connections < self._config.guaranteed_calls:
            vital = min(self._room_to_call(Priority.ALWAYS), self._config.guaranteed_calls - group.connections)
            room = max(room, vital)
        return room

    def lacking(self, group: Group | None, *, is_inbound: bool) -> Resource | None:
        """What has run out for one more for this group, its address aside."""
        priority = self._priority(group) if is_inbound else self._priority_of_call(group)
        for resource in connection_charge(is_inbound=is_inbound):
            room = self.settled.room(resource, priority=priority)
            if room is not None and room <= 0:
                return resource
        memory = self.system.room(Resource.MEMORY, priority=priority)
        is_short = memory is not None and memory < self._config.connection_memory_bytes
        return Resource.MEMORY if is_short else None

    def shortage(self, resource: Resource) -> Refusal | None:
        """What an ordinary use of it would be told."""
        scope = self.system if resource is Resource.MEMORY else self.settled
        amount = max(1, self._config.connection_memory_bytes) if resource is Resource.MEMORY else 1
        return scope.refusal_of({resource: amount}, priority=Priority.ORDINARY)

    def is_address_full(self, seat: Seat) -> bool:
        """Whether its address or network has all that it may have."""
        if seat.is_exempt:
            return False
        for scopes, key in ((self._addresses, share_of(seat.host)), (self._networks, network_of(seat.host))):
            scope = scopes.get(key)
            room = None if scope is None else scope.room(Resource.CONNECTIONS)
            if room is not None and room <= 0:
                return True
        return False

    def of_address(self, host: str) -> int:
        """Connections with an address, without those that came and are in their handshake."""
        scope = self._addresses.get(share_of(host))
        return 0 if scope is None else scope.used(Resource.CONNECTIONS)

    def owes(self, group: Group) -> Resource | None:
        """Of what the reserve is in use, if this group has most of it."""
        if group.settled <= self._config.guaranteed:
            return None
        for resource in (Resource.CONNECTIONS_IN, Resource.CONNECTIONS_OUT, Resource.CONNECTIONS, Resource.DESCRIPTORS):
            room = self.settled.room(resource, priority=Priority.ORDINARY)
            if room is None or room >= 0:
                continue
            of_group = group.scope.used(resource)
            if of_group and all(other.scope.used(resource) <= of_group for other in self._groups):
                return resource
        return None

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        for scopes in (self._addresses, self._networks):
            assert all(not scope.is_empty for scope in scopes.values())
        for group in self._groups:
            assert 0 <= group.settled <= group.connections

    def _room_to_call(self, priority: Priority) -> int:
        rooms = [
            scope.room(resource, priority=priority)
            for scope in (self.settled, self.transient, self.system)
            for resource in (Resource.CONNECTIONS_OUT, Resource.CONNECTIONS, Resource.DESCRIPTORS)
        ]
        memory = self.system.room(Resource.MEMORY, priority=priority)
        if memory is not None and self._config.connection_memory_bytes:
            rooms.append(memory // self._config.connection_memory_bytes)
        return min(room for room in rooms if room is not None)

    def _priority(self, group: Group | None) -> Priority:
        is_poor = group is not None and group.settled < self._config.guaranteed
        return Priority.ALWAYS if is_poor else Priority.ORDINARY

    def _priority_of_call(self, group: Group | None) -> Priority:
        is_poor = group is not None and group.connections < self._config.guaranteed_calls
        return Priority.ALWAYS if is_poor else Priority.ORDINARY

    def _settled(self, seat: Seat) -> None:
        seat.is_settled = True
        if seat.group is not None:
            seat.group.settled += 1

    def _address(self, seat: Seat) -> Scope:
        """The scope of its address, which may be a new one."""
        share = share_of(seat.host)
        address = self._addresses.get(share)
        if address is None:
            key = network_of(seat.host)
            network = self._networks.get(key)
            if network is None:
                limits = NO_LIMITS if seat.is_exempt else self._config.network_limits
                network = self.settled.child(ScopeKind.NETWORK, network_name(seat.host), limits)
                self._networks[key] = network
            limits = NO_LIMITS if seat.is_exempt else self._config.address_limits
            address = self._addresses[share] = network.child(ScopeKind.PEER, share_name(seat.host), limits)
        return address

    def _forget(self, seat: Seat) -> None:
        """An address that holds nothing has no scope, nor has such a network."""
        for scopes, key in ((self._addresses, share_of(seat.host)), (self._networks, network_of(seat.host))):
            scope = scopes.get(key)
            if scope is not None and scope.is_empty:
                scope.close()
                del scopes[key]

    def _clear(self, group: Group) -> None:
        if group.scope.is_empty:
            group.scope.close()


def _scopes(group: Group | None) -> tuple[Scope, ...]:
    return () if group is None else (group.scope,)
