"""The root of every error this library raises, sorted by which side is at fault and what to do next."""


class TransferError(Exception):
    """Root of all errors of transfer, kademlia_core, bittorrent and fileshare.

    Its text is one line, meant for a person. Data that a program may want is in attributes.
    """


class DecodeError(TransferError, ValueError):
    """Bytes from outside are not what they claim to be. Root of each codec's one error family."""


class RemoteProtocolError(TransferError, ConnectionError):
    """The other side broke the protocol: drop it and go on."""


class HandshakeTimeoutError(RemoteProtocolError, TimeoutError):
    """The other side took the connection, and then did not say in time what it had to."""


class LocalProtocolError(TransferError, RuntimeError):
    """This program used the library wrongly, for example on something already closed."""


class LimitExceededError(TransferError):
    """A configured bound was hit; the message names the bound."""
