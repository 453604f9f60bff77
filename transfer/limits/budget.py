"""A tree of scopes: what is used in one counts in all above it, and each may have a limit.

    system ── transient ── connection          its handshake is not done
       │
       └──── settled ── network ── peer ── connection ── stream
                 │                             │            │
                 └───── protocol ──────────────┴────────────┘        a scope may stand below several

A reservation is charged to a scope and to each of its ancestors, once, or to none of them. A span is a scope without
limits or a name of its own: what is reserved in it is released together. So is what a closed scope holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from types import TracebackType
from typing import Self

from transfer.limits.refusal import LimitReachedError, Refusal
from transfer.limits.resources import (
    NO_LIMITS,
    WORDS,
    Charge,
    Priority,
    Resource,
    ScopeLimits,
    ceiling_of,
)


class ScopeKind(Enum):
    """What a scope stands for."""

    SYSTEM = "system"
    TRANSIENT = "transient"  # what is not known yet: connections in their handshake
    SETTLED = "settled"  # what is
    NETWORK = "network"
    PEER = "peer"
    PROTOCOL = "protocol"  # or any other group of connections and streams: a torrent, a service
    CONNECTION = "connection"
    STREAM = "stream"
    SPAN = "span"


class Scope:
    """One place in the tree. `Scope(ScopeKind.SYSTEM, "system", limits)` is the root of a new one.

    Args:
        name: as refusals call it.
        limits: for it and all below.
        parents: what it stands directly below.

    Invariants:
        what is used is what was reserved here and in the scopes below, each counted once, and never negative
        it exceeded no limit when it was reserved (limits that are lowered later hold for what comes)
    """

    __slots__ = ("_children", "_most", "_own", "_parents", "_used", "is_closed", "kind", "limits", "name")

    def __init__(
        self, kind: ScopeKind, name: str, limits: ScopeLimits = NO_LIMITS, *, parents: Iterable[Scope] = ()
    ) -> None:
        self.kind = kind
        self.name = name
        self.is_closed = False
        self._own = [0] * len(Resource)
        self._used = [0] * len(Resource)
        self._children: dict[Scope, None] = {}
        self._parents = tuple(parents)
        for parent in self._parents:
            if parent.is_closed:
                raise ValueError(f"{parent.name} is closed")
            parent._children[self] = None
        self.set_limits(limits)

    def set_limits(self, limits: ScopeLimits) -> None:
        """Other limits from now on; what is reserved stays."""
        self.limits = limits
        self._most = limits.values()

    # Reserving

    def child(self, kind: ScopeKind, name: str, limits: ScopeLimits = NO_LIMITS, *, also: Iterable[Scope] = ()) -> Self:
        """A new scope below this one, and below others as well."""
        return type(self)(kind, name, limits, parents=(self, *also))

    def span(self) -> Self:
        """A scope for what is released together: use it with `with`, or close it."""
        return self.child(ScopeKind.SPAN, self.name)

    def reserve(self, charge: Charge, *, priority: Priority = Priority.ALWAYS) -> None:
        """Takes all of `charge`, here and in every scope above.

        Raises:
            LimitReachedError: a limit says no, and nothing was taken.
        """
        if (refusal := self.try_reserve(charge, priority=priority)) is not None:
            raise LimitReachedError(refusal)

    def try_reserve(self, charge: Charge, *, priority: Priority = Priority.ALWAYS) -> Refusal | None:
        """The same, for callers who expect to be refused. Cost: a step for each scope above."""
        if self.is_closed:
            raise ValueError(f"{self.name} is closed")
        line = self._line()
        for scope in line:
            if (refusal := scope.refusal_of(charge, priority=priority)) is not None:
                return refusal
        for resource, amount in charge.items():
            self._own[resource] += amount
            for scope in line:
                scope._used[resource] += amount
        return None

    def release(self, charge: Charge) -> None:
        """Gives back what was reserved in this very scope.

        Raises:
            ValueError: that is more than was reserved in it.
        """
        if any(amount < 0 or self._own[resource] < amount for resource, amount in charge.items()):
            raise ValueError(f"more is given back to {self.name} than was reserved in it")
        line = self._line()
        for resource, amount in charge.items():
            self._own[resource] -= amount
            for scope in line:
                scope._used[resource] -= amount

    def move(self, *parents: Scope, priority: Priority = Priority.ALWAYS) -> Refusal | None:
        """Stands below others from now on, with all that is used in it; or stays where it is, and a limit says why."""
        if self.is_closed or any(parent.is_closed for parent in parents):
            raise ValueError(f"{self.name}, or what it is moved to, is closed")
        before = self._line()
        after = _line_of([self, *parents])
        charge = {resource: amount for resource in Resource if (amount := self._used[resource])}
        new = [scope for scope in after if scope not in before]
        for scope in new:
            if (refusal := scope.refusal_of(charge, priority=priority)) is not None:
                return refusal
        for sign, scopes in ((1, new), (-1, [scope for scope in before if scope not in after])):
            for scope in scopes:
                for resource, amount in charge.items():
                    scope._used[resource] += sign * amount
        for parent in self._parents:
            del parent._children[self]
        self._parents = parents
        for parent in parents:
            parent._children[self] = None
        return None

    def close(self) -> None:
        """Releases all that is reserved here and below, together. Harmless twice."""
        if self.is_closed:
            return
        for child in list(self._children):
            child.close()
        self.release({resource: amount for resource in Resource if (amount := self._own[resource])})
        self.is_closed = True
        for parent in self._parents:
            del parent._children[self]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Views

    def used(self, resource: Resource) -> int:
        """How much is reserved, here and below."""
        return self._used[resource]

    def room(self, resource: Resource, *, priority: Priority = Priority.ALWAYS) -> int | None:
        """How much more fits here, this scope alone asked; None without a limit. Negative where less would be right."""
        most = self._most[resource]
        return None if most is None else self._ceiling(most, priority) - self._used[resource]

    def refusal_of(self, charge: Charge, *, priority: Priority = Priority.ALWAYS) -> Refusal | None:
        """What this scope alone would say to a charge."""
        for resource, amount in charge.items():
            if amount < 0:
                raise ValueError("a charge must not be negative")
            most = self._most[resource]
            if most is None or not amount:
                continue
            ceiling = self._ceiling(most, priority)
            if self._used[resource] + amount > ceiling:
                return Refusal(
                    limit=self.limits.setting_of(resource),
                    scope=self.name,
                    what=WORDS[resource],
                    in_use=self._used[resource],
                    most=ceiling,
                )
        return None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is reserved, here and below."""
        return not any(self._used)

    @property
    def children(self) -> Iterator[Scope]:
        """What stands directly below."""
        return iter(self._children)

    def usage(self) -> dict[Resource, int]:
        """All that is used, without what is zero."""
        return {resource: amount for resource in Resource if (amount := self._used[resource])}

    def check_invariants(self) -> None:
        """Asserts, for this scope and all below, what the class docstring promises."""
        below: dict[Scope, None] = {self: None}
        queue = [self]
        for scope in queue:
            assert not scope.is_closed
            for child in scope._children:
                assert scope in child._parents
                if child not in below:
                    below[child] = None
                    queue.append(child)
        for resource in Resource:
            assert self._used[resource] == sum(scope._own[resource] for scope in below)
            assert min(scope._own[resource] for scope in below) >= 0
        for child in self._children:
            child.check_invariants()

    def __repr__(self) -> str:
        used = ", ".join(f"{amount} {WORDS[resource]}" for resource, amount in self.usage().items())
        return f"<{self.kind.value} {self.name}: {used or 'nothing'} in use>"

    def _line(self) -> list[Scope]:
        """This scope and all above, each once."""
        return _line_of([self, *self._parents])

    def _ceiling(self, most: int, priority: Priority) -> int:
        return ceiling_of(most, priority) if self.limits.keeps_reserve else most


def _line_of(found: list[Scope]) -> list[Scope]:
    """These scopes and all above the second and later ones, each once."""
    line = found[:1]
    queue = found[1:]
    for scope in queue:
        if scope not in line:
            line.append(scope)
            queue += scope._parents
    return line
