"""What is wrong with keys, peer ids, envelopes and records from outside."""

from __future__ import annotations

from transfer.errors import DecodeError


class IdentityError(DecodeError):
    """A key, peer id, signed envelope or peer record that cannot be used, or is not of the peer it claims to be of."""
