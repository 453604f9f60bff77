"""How much a session hides that it speaks BitTorrent: which covers it calls peers under, and which it takes. Pure."""

from __future__ import annotations

from enum import StrEnum

from transfer.security.mse.method import CryptoMethod


class Encryption(StrEnum):
    """What a session does about message stream encryption (MSE/PE).

    It keeps networks from recognising BitTorrent at a glance. It does not keep secrets.
    """

    OFF = "off"  # none, neither called nor taken
    PLAINTEXT = "plaintext"  # takes both; calls plainly, and with MSE whoever hangs up on that
    ENCRYPTED = "encrypted"  # takes both, RC4 rather than plain text; calls with MSE first, and plainly after that
    REQUIRED = "required"  # RC4 only: whoever does not speak it is not met

    @property
    def covers(self) -> tuple[str, ...]:
        """The covers under which a peer is called, in this order."""
        return _COVERS[self]

    @property
    def takes_plain(self) -> bool:
        """Whether a peer may come without MSE."""
        return self is not Encryption.REQUIRED

    @property
    def methods(self) -> tuple[CryptoMethod, ...]:
        """What may follow the handshake of a peer that comes with MSE, the preferred one first."""
        return _METHODS[self]

    @property
    def provide(self) -> CryptoMethod:
        """What may follow the handshake where we call."""
        return CryptoMethod.RC4 if self is Encryption.REQUIRED else CryptoMethod.PLAIN | CryptoMethod.RC4


PLAIN_COVER = "plain"
MSE_COVER = "mse"

_COVERS = {
    Encryption.OFF: (PLAIN_COVER,),
    Encryption.PLAINTEXT: (PLAIN_COVER, MSE_COVER),
    Encryption.ENCRYPTED: (MSE_COVER, PLAIN_COVER),
    Encryption.REQUIRED: (MSE_COVER,),
}
_METHODS = {
    Encryption.OFF: (),
    Encryption.PLAINTEXT: (CryptoMethod.PLAIN, CryptoMethod.RC4),
    Encryption.ENCRYPTED: (CryptoMethod.RC4, CryptoMethod.PLAIN),
    Encryption.REQUIRED: (CryptoMethod.RC4,),
}
