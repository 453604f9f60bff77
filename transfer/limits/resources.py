"""What is limited, who comes first when it runs short, and how much there may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeAlias


class Resource(IntEnum):
    """What a budget counts."""

    CONNECTIONS_IN = 0
    CONNECTIONS_OUT = 1
    CONNECTIONS = 2  # of both directions
    STREAMS_IN = 3
    STREAMS_OUT = 4
    STREAMS = 5  # of both directions
    MEMORY = 6  # bytes
    DESCRIPTORS = 7  # of files and sockets


Charge: TypeAlias = Mapping[Resource, int]
"""How much of what; nothing of it is negative."""


class Priority(IntEnum):
    """Who is refused last. A use may take (1 + priority) / 256 of a limit: the rest is kept for what is more important.

    LOW, MEDIUM, HIGH and ALWAYS are those of go-libp2p's resource manager (core/network/rcmgr.go). ORDINARY leaves a
    sixteenth of a limit, which is the reserve of connections.
    """

    LOW = 101
    MEDIUM = 152
    HIGH = 203
    ORDINARY = 239
    ALWAYS = 255


def ceiling_of(limit: int, priority: Priority) -> int:
    """How much of a limit a use may take. A limit that is too small to be divided is not: all may take all of it."""
    return limit - limit * (Priority.ALWAYS - priority) // 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """How much one scope and everything below it may use; None stands for no limit.

    Attributes:
        keeps_reserve: a part is kept for what is more important (`Priority`); otherwise all may take all of it.
        setting: what users call these limits, of each resource by the name of its field; the field itself where
            nothing is said.
    """

    connections_in: int | None = None
    connections_out: int | None = None
    connections: int | None = None
    streams_in: int | None = None
    streams_out: int | None = None
    streams: int | None = None
    memory: int | None = None
    descriptors: int | None = None
    keeps_reserve: bool = True
    setting: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not isinstance(value, bool) and value < 0:
                raise ValueError(f"{field.name} must not be negative; None stands for no limit")

    def values(self) -> tuple[int | None, ...]:
        """In the order of `Resource`."""
        return tuple(getattr(self, name) for name in FIELDS)

    def setting_of(self, resource: Resource) -> str:
        """The name of the limit of a resource."""
        name = FIELDS[resource]
        return name if self.setting is None else self.setting.get(name, name)


NO_LIMITS = ScopeLimits()
FIELDS = tuple(resource.name.lower() for resource in Resource)
WORDS = {
    Resource.CONNECTIONS_IN: "inbound connections",
    Resource.CONNECTIONS_OUT: "outbound connections",
    Resource.CONNECTIONS: "connections",
    Resource.STREAMS_IN: "inbound streams",
    Resource.STREAMS_OUT: "outbound streams",
    Resource.STREAMS: "streams",
    Resource.MEMORY: "bytes of memory",
    Resource.DESCRIPTORS: "file descriptors",
}


def connection_charge(*, is_inbound: bool, descriptors: int = 1, memory: int = 0) -> Charge:
    """What one connection costs."""
    direction = Resource.CONNECTIONS_IN if is_inbound else Resource.CONNECTIONS_OUT
    charge = {direction: 1, Resource.CONNECTIONS: 1}
    if descriptors:
        charge[Resource.DESCRIPTORS] = descriptors
    if memory:
        charge[Resource.MEMORY] = memory
    return charge


def stream_charge(*, is_inbound: bool, memory: int = 0) -> Charge:
    """What one stream of a multiplexed connection costs."""
    charge = {Resource.STREAMS_IN if is_inbound else Resource.STREAMS_OUT: 1, Resource.STREAMS: 1}
    if memory:
        charge[Resource.MEMORY] = memory
    return charge
