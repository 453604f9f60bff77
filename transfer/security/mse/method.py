"""What may follow an MSE handshake."""

from __future__ import annotations

from enum import IntFlag


class CryptoMethod(IntFlag):
    """How the stream goes on behind the handshake (the bits of crypto_provide and crypto_select)."""

    PLAIN = 1
    RC4 = 2
