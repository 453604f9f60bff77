"""What goes wrong on the way through a proxy, by whose fault it is."""

from __future__ import annotations

from transfer.address import AddressError
from transfer.errors import TransferError


class ProxyUrlError(AddressError):
    """Text that names no proxy."""


class ProxyError(TransferError, ConnectionError):
    """The proxy cannot be used: it is not there, refuses, or answers nonsense. The text is one line and names it."""


class ProxyTimeoutError(ProxyError, TimeoutError):
    """The proxy took the connection, and then did not say in time what it had to."""


class ProxyTargetError(ProxyError):
    """The proxy works, and says that the target cannot be reached through it."""


class ProxyTargetRefusedError(ProxyTargetError, ConnectionRefusedError):
    """The proxy says that no program listens at the target."""
