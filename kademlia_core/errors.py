"""What can go wrong in finding: each error says whose fault it is and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer.errors import DecodeError, LocalProtocolError, TransferError

if TYPE_CHECKING:
    from transfer.address import Address
    from transfer.multiaddr.multiaddr import Multiaddr


class KademliaError(TransferError):
    """Root of the errors that are about the network, not about its bytes."""


class InvalidKeyError(DecodeError):
    """Text or bytes that are no key of the width asked for."""


class BootstrapError(KademliaError, ConnectionError):
    """No bootstrap address answered, so there is no network to ask. `addresses` are those that were tried."""

    def __init__(self, addresses: tuple[Address | Multiaddr, ...]) -> None:
        names = ", ".join(map(str, addresses))
        super().__init__(f"no bootstrap node answered ({names}); check the network or name another bootstrap node")
        self.addresses = addresses


class NoAnswerError(KademliaError, TimeoutError):
    """A node left a query unanswered. `address` is the node's."""

    def __init__(self, address: Address | Multiaddr, text: str = "") -> None:
        super().__init__(text or f"{address} did not answer; it may be offline or behind a firewall")
        self.address = address


class QueryRefusedError(KademliaError):
    """A node answered a query with an error. `address` is the node's; `code` and `reason` are what it said."""

    def __init__(self, address: Address, code: int, reason: str) -> None:
        super().__init__(f"{address} refused the query with error {code}: {reason!r}")
        self.address = address
        self.code = code
        self.reason = reason


class NodeClosedError(LocalProtocolError):
    """The node was closed, or not yet entered with `async with`."""
