"""What is wrong with an address."""

from __future__ import annotations

from transfer.errors import DecodeError


class MultiaddrError(DecodeError):
    """A text or bytes that are no multiaddr."""
