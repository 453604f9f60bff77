"""Tells when the DHT cannot be joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fileshare.service.events import DhtUnreachable
from kademlia_core import BootstrapError, MainlineNode, NodeClosedError


async def warn_without_dht(node: MainlineNode, tell: Callable[[DhtUnreachable], None], *, after_s: float) -> None:
    """Tells once that the DHT cannot be joined, unless that is the end of everything, which then tells it itself."""
    try:
        await node.wait_joined()
    except BootstrapError as error:
        await asyncio.sleep(after_s)
        tell(DhtUnreachable(error=error))
    except NodeClosedError:
        pass
