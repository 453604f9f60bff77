"""What a swarm remembers about one connected peer."""

from __future__ import annotations

from typing import NamedTuple

from bittorrent.origin import Origin
from bittorrent.peer.core import PeerCore
from bittorrent.peer.pipeline import RequestPipeline
from bittorrent.rate import RateMeter
from bittorrent.rate_limits import SwarmLimits
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.rolling_rate import RollingRate
from bittorrent.swarm.uploading.slot_use import SlotUse
from bittorrent.wire.pex import PexFlags
from transfer.address import Address


class Sender(NamedTuple):
    """The peer that sent a block: still known when the connection is gone. `address` is its endpoint as we see it."""

    number: int
    address: Origin
    listen_address: Origin


NOBODY = Sender(0, Address("", 0), Address("", 0))
"""Answers for blocks that were kept from an earlier run: always this object."""


class SwarmPeer:
    """A connection in a swarm: its machine, its rates, its requests. `number` is never used twice."""

    __slots__ = (
        "_unexpected",
        "connected_at",
        "core",
        "download",
        "download_limiter",
        "downloaded_bytes",
        "has_voted",
        "introduced_by",
        "is_dialled",
        "is_encrypted",
        "is_refusing",
        "number",
        "pipeline",
        "received_lately",
        "refusals",
        "sender",
        "sent_lately",
        "slot",
        "transport",
        "upload",
        "upload_limiter",
        "uploaded_bytes",
        "was_allowed_fast",
    )

    def __init__(
        self,
        *,
        number: int,
        core: PeerCore,
        is_dialled: bool,
        transport: str,
        is_encrypted: bool,
        config: SwarmConfig,
        limits: SwarmLimits,
        now: float,
    ) -> None:
        self.number = number
        self.core = core
        self.is_dialled = is_dialled  # we called it, so it can be called
        self.transport = transport
        self.is_encrypted = is_encrypted
        self.introduced_by: Address | None = None  # who brought us together, by hole punching
        self.connected_at = now
        self.pipeline = RequestPipeline(config=config.pipeline, now=now)
        self.download = RateMeter()
        self.upload = RateMeter()
        self.received_lately = RollingRate(window_s=config.choker.rate_window_s, now=now)
        self.sent_lately = RollingRate(window_s=config.choker.rate_window_s, now=now)
        self.slot = SlotUse(patience_s=config.choker.idle_slot_s)
        self.downloaded_bytes = 0
        self.uploaded_bytes = 0
        self.download_limiter, self.upload_limiter = limits.for_peer(core.address)
        self.sender = Sender(number, core.address, core.address)
        self.refusals = 0  # since the last block that came
        self.is_refusing = False  # it rejected a request although it unchokes us: nothing more until the next tick
        self.was_allowed_fast = False
        self.has_voted = False  # it has said at which address it sees us
        self._unexpected = 0

    def extensions_changed(self) -> None:
        """The peer may have said where it listens: where others find it, which may not be where it is connected."""
        port = self.core.extensions.listen_port
        if port and isinstance(self.core.address, Address):
            self.sender = self.sender._replace(listen_address=Address(self.core.address.host, port))

    @property
    def address(self) -> Origin:
        """Its end of the connection, as we see it."""
        return self.core.address

    @property
    def listen_address(self) -> Origin:
        """Where it says that it can be called; `address` as long as it has not said."""
        return self.sender.listen_address

    @property
    def is_closed(self) -> bool:
        """Whether its connection ends already."""
        return self.core.is_closed

    @property
    def is_torrent_known(self) -> bool:
        """Whether it is known what the torrent is: before that nobody can want anything of it."""
        return self.core.bits is not None

    @property
    def am_interested(self) -> bool:
        """Whether it has something that is wanted here."""
        return self.core.am_interested

    @property
    def is_interested(self) -> bool:
        """Whether it wants something that is here."""
        return self.core.is_interested

    @property
    def reachable_at(self) -> Address | None:
        """Where others can connect to it; None when it did not say.

        A peer that came over uTP and knows hole punching is where it came from: behind a NAT box its datagrams leave
        from another port than it listens at, and only there it can be reached, once it calls itself (BEP 55).
        """
        address = self.core.address
        if not isinstance(address, Address):
            return None
        if self.is_dialled:
            return address
        if not self.core.extensions.listen_port:
            return None
        if self.transport != "utp" or not self.core.extended.takes_holepunch:
            address = Address(address.host, self.core.extensions.listen_port)
        return address if address.port >= FIRST_UNPRIVILEGED_PORT else None

    @property
    def flags(self) -> PexFlags:
        """What others are told of it, except whether it has everything (BEP 11)."""
        flags = PexFlags.UTP if self.transport == "utp" else PexFlags(0)
        if self.is_encrypted or self.core.extensions.prefers_encryption:
            flags |= PexFlags.PREFERS_ENCRYPTION
        if self.core.extended.takes_holepunch:
            flags |= PexFlags.HOLEPUNCH
        return flags | (PexFlags.REACHABLE if self.is_dialled else PexFlags(0))

    @property
    def was_useful(self) -> bool:
        """Whether blocks were moved, either way: a peer to come back to."""
        return self.downloaded_bytes + self.uploaded_bytes > 0

    @property
    def has_requests(self) -> bool:
        """Whether something that it has asked for has not got through to it yet."""
        return bool(self.core.upload_queue) or (self.uploaded_bytes > 0 and self.slot.undelivered_bytes > 0)

    def idle_s(self, *, now: float) -> float:
        """For how long it has taken nothing of what it may ask for."""
        return self.slot.idle_s(now=now, has_requests=bool(self.core.upload_queue))

    def stalled_s(self, *, now: float) -> float:
        """For how long it has read nothing although something was sent to it."""
        return self.slot.stalled_s(now=now)

    def received_bytes_per_s(self, *, now: float) -> float:
        """How fast it sent us of the torrent of late. To be asked about once a second."""
        return self.received_lately.bytes_per_s(self.downloaded_bytes, now=now)

    def excuse(self) -> None:
        """It has to go for others: nothing that it did shall count against its host."""
        self.slot.excuse()

    def is_idler(self, *, now: float) -> bool:
        """Whether it makes nothing of its upload slot, or made nothing of the last one."""
        return self.slot.is_idler(now=now, has_requests=self.has_requests)

    def forgive_unexpected(self) -> bool:
        """Counts a block that nobody asked for; False when there were too many to be an accident."""
        self._unexpected += 1
        return self._unexpected <= MAX_UNEXPECTED_BLOCKS


MAX_UNEXPECTED_BLOCKS = 2000
FIRST_UNPRIVILEGED_PORT = 1024  # below it listen services of other kinds, to which nobody shall be sent
