"""Why a Noise handshake, or a connection that it made, came to nothing."""

from __future__ import annotations

from transfer.errors import RemoteProtocolError


class NoiseError(RemoteProtocolError):
    """The other side does not speak Noise, has changed what it sent, or is not the peer that was meant."""


class NoiseCutOffError(NoiseError, ConnectionResetError):
    """The connection ended in the middle of what was encrypted."""
