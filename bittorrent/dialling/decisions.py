"""What a `DiallingCore` tells its shell to do."""

from __future__ import annotations

from typing import NamedTuple

from bittorrent.dialling.greetings import Greeting
from bittorrent.dialling.paths import DialPath
from transfer.address import Address


class Call(NamedTuple):
    """Dial this endpoint over this path.

    Attributes:
        needs_route: ask `allows` first, with the address of ours that leads there.
        greeting: what the handshake says of the torrent.
    """

    number: int
    address: Address
    path: DialPath
    needs_route: bool
    greeting: Greeting


class Eviction(NamedTuple):
    """End this connection, and say why."""

    number: int
    reason: str


class Admission(NamedTuple):
    """Whether a newcomer may stay: its number, or None; and which connections end for it."""

    number: int | None
    evicted: tuple[Eviction, ...] = ()


class Meeting(NamedTuple):
    """Whether a connection whose handshakes are done takes part; and which connections end for it."""

    is_kept: bool
    evicted: tuple[Eviction, ...] = ()
