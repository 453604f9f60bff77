"""Tells views what becomes of the mapping at the router."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fileshare.service.events import PortMappingChanged, ServiceEvent

if TYPE_CHECKING:
    from bittorrent import Session
    from transfer import PortMapStatus


async def watch_mapping(session: Session, tell: Callable[[ServiceEvent], None]) -> None:
    """Tells of each change that matters to others; renewals do not.

    Cancellation: nothing is left.
    """
    known: PortMapStatus | None = None
    told: tuple[object, ...] | None = None
    while True:
        known = await session.wait_port_mapping(known)
        news = (known.method, known.external_host, known.tcp_port, known.udp_port)
        if news != told:
            told = news
            tell(PortMappingChanged(mapping=known, port=session.reachability().port))
