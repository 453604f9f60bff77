"""What has to be known of a connected peer to say whether it may stay."""

from __future__ import annotations

from typing import Protocol

from bittorrent.origin import Origin


class ConnectedPeer(Protocol):
    """A peer that takes part, its handshake done: as it is now, not as it was when it came."""

    @property
    def address(self) -> Origin:
        """Its end of the connection, as we see it."""
        ...

    @property
    def listen_address(self) -> Origin:
        """Where it says that it can be called; `address` as long as it has not said."""
        ...

    @property
    def connected_at(self) -> float:
        """When it began to take part."""
        ...

    @property
    def downloaded_bytes(self) -> int:
        """What it sent us of the torrent."""
        ...

    @property
    def uploaded_bytes(self) -> int:
        """What we sent it of the torrent."""
        ...

    @property
    def was_useful(self) -> bool:
        """Whether blocks were moved, either way."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether its connection ends already."""
        ...

    @property
    def is_torrent_known(self) -> bool:
        """Whether it is known what the torrent is: before that neither side can want anything of it."""
        ...

    @property
    def am_interested(self) -> bool:
        """Whether it has something that is wanted here."""
        ...

    @property
    def is_interested(self) -> bool:
        """Whether it wants something that is here."""
        ...

    def is_idler(self, *, now: float) -> bool:
        """Whether it makes nothing of its upload slot, or made nothing of the last one."""
        ...

    def stalled_s(self, *, now: float) -> float:
        """For how long it has read nothing although something was sent to it."""
        ...

    def received_bytes_per_s(self, *, now: float) -> float:
        """How fast it sent us of the torrent of late."""
        ...

    def excuse(self) -> None:
        """It has to go for others: nothing that it did shall count against its host."""
        ...
