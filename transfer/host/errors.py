"""What can go wrong between a host and its peers. The text names the peer, the address and the cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transfer.errors import RemoteProtocolError, TransferError

if TYPE_CHECKING:
    from transfer.host.dial import Attempt
    from transfer.identity.peer_id import PeerId


class PeerUnreachableError(TransferError, ConnectionError):
    """No address of a peer led to it.

    Attributes:
        peer_id: whom; None where an address without an id was called.
        attempts: each address, and what came of it.
    """

    def __init__(self, peer_id: PeerId | None, attempts: Sequence[Attempt]) -> None:
        self.peer_id = peer_id
        self.attempts = tuple(attempts)
        whom = "the peer" if peer_id is None else str(peer_id)
        shown = "; ".join(f"{attempt.address}: {attempt.outcome}" for attempt in self.attempts[:MAX_SHOWN])
        more = f"; and {len(self.attempts) - MAX_SHOWN} more" if len(self.attempts) > MAX_SHOWN else ""
        super().__init__(f"cannot reach {whom}: {shown or 'no address of it is known'}{more}")


class StreamError(TransferError, ConnectionError):
    """A stream to a peer could not be opened.

    Attributes:
        peer_id: whose.
        protocols: what was proposed.
    """

    def __init__(self, peer_id: PeerId, address: str, protocols: Sequence[str], cause: object) -> None:
        self.peer_id = peer_id
        self.protocols = tuple(protocols)
        super().__init__(f"no stream for {', '.join(self.protocols)} to {peer_id} at {address}: {cause}")


class StreamIdleError(TransferError, TimeoutError):
    """Nothing moved on a stream for too long, and it was reset here."""


class IdentifyError(RemoteProtocolError):
    """What a peer says of itself makes no sense, or is not true."""


MAX_SHOWN = 4
