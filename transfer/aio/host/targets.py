"""Whom a program means: addresses, several addresses of one peer, or the id of a peer whose addresses are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

Target: TypeAlias = "PeerId | Multiaddr | str | Sequence[Multiaddr | str]"
"""Whom to call: an address, several addresses of one peer, or the id of a peer whose addresses are known."""


def as_multiaddr(address: Multiaddr | str) -> Multiaddr:
    """An address, or its text.

    Raises:
        MultiaddrError: the text is none.
    """
    return address if isinstance(address, Multiaddr) else Multiaddr.parse(address)


def protocol_names(protocols: str | Sequence[str]) -> tuple[str, ...]:
    """One protocol or several."""
    names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
    if not names:
        raise ValueError("there has to be a protocol")
    return names


def whom_and_where(target: Target) -> tuple[PeerId | None, list[Multiaddr]]:
    """Whom to call, and where.

    Raises:
        MultiaddrError, IdentityError: it is neither an address nor an id.
        ValueError: the addresses are of several peers.
    """
    if isinstance(target, PeerId):
        return target, []
    if isinstance(target, str) and not target.startswith("/"):
        return PeerId.parse(target), []
    several = [target] if isinstance(target, str | Multiaddr) else list(target)
    addresses = [as_multiaddr(each) for each in several]
    ids = dict.fromkeys(address.peer_id for address in addresses)
    if len(ids) > 1:
        raise ValueError("addresses of one peer have the same id at their end")
    peer_id = next(iter(ids), None)
    return peer_id, [way for address in addresses if (way := address.without_peer_id) is not None]
