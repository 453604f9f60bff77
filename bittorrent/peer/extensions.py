"""The extension protocol of one connection: our numbers and theirs, and what they mean (BEP 9, 10, 11, 21, 54, 55)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bittorrent.errors import WireError
from bittorrent.origin import Origin
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import (
    ExtensionsReceived,
    MetadataArrived,
    PeerEvent,
    PeerLost,
    PexReceived,
    PunchReceived,
)
from bittorrent.peer.remote import RemotePeer
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import (
    EXTENDED_HANDSHAKE,
    LT_DONTHAVE,
    UPLOAD_ONLY,
    UT_HOLEPUNCH,
    UT_METADATA,
    UT_PEX,
    ExtendedHandshake,
    packed_ip,
)
from bittorrent.wire.holepunch import PunchMessage, decode_holepunch, encode_holepunch
from bittorrent.wire.metadata import (
    METADATA_PIECE_SIZE,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)
from bittorrent.wire.pex import PexMessage, decode_pex, encode_pex


class Received(NamedTuple):
    """What a message meant.

    Attributes:
        events: to be reported.
        reply: to be sent.
        was_due: we asked for it, or the peer is entitled to it: no part of a flood.
    """

    events: tuple[PeerEvent, ...] = ()
    reply: wire.Extended | None = None
    was_due: bool = False


class PeerExtensions:
    """Reads under the numbers that we chose, and writes under those that the peer chose.

    Metadata is counted both ways, so that neither a flood of requests nor one of answers passes for honest traffic.

    Args:
        remote_peer: what the peer told us about itself.
        config: bounds.
    """

    __slots__ = (
        *("_config", "_owed", "_remote_peer", "_served"),
        *("allows_pex", "info_bytes", "is_upload_only", "offers_holepunch"),
    )

    def __init__(self, remote_peer: RemotePeer, config: PeerConfig) -> None:
        self.allows_pex = False  # whether the peer may name others to us
        self.offers_holepunch = False  # whether we bring peers together, and let ourselves be brought together
        self.info_bytes: bytes | None = None  # what metadata requests are answered from
        self.is_upload_only = False  # we want nothing, whichever peer has it
        self._remote_peer = remote_peer
        self._config = config
        self._owed = 0  # answers to our metadata requests that have not come
        self._served = 0  # pieces of metadata

    # Inputs

    def receive(self, number: int, payload: bytes, *, is_read: bool) -> Received:
        """A message under one of our numbers; others are ignored (BEP 10).

        Args:
            is_read: whether the peer reads what is sent to it.

        Raises:
            WireError: the message breaks its extension.
        """
        match number:
            case 0:
                self._remote_peer.extensions = self._remote_peer.extensions.updated(
                    ExtendedHandshake.from_bytes(payload)
                )
                return Received((ExtensionsReceived(),))
            case _ if number == OURS[UT_METADATA]:
                return self._receive_metadata(payload, is_read)
            case _ if number == OURS[UT_PEX] and self.allows_pex:
                return Received((PexReceived(decode_pex(payload, max_peers=self._config.max_pex_peers)),))
            case _ if number == OURS[UT_HOLEPUNCH] and self.offers_holepunch:
                punch = decode_holepunch(payload)
                return Received((PunchReceived(punch),) if punch is not None else ())
            case _ if number == OURS[LT_DONTHAVE]:
                return self._receive_dont_have(payload)
            case _ if number == OURS[UPLOAD_ONLY]:
                flag = payload[:1] not in (b"", b"\0")
                self._remote_peer.extensions = self._remote_peer.extensions.updated(ExtendedHandshake(upload_only=flag))
                return Received((ExtensionsReceived(),))
        return Received()

    # Outputs

    def handshake(self, address: Origin, *, listen_port: int | None) -> wire.Extended:
        """Ours, for the peer at `address`; again whenever there is news."""
        ours = ExtendedHandshake(
            extensions={
                **OURS,
                UT_PEX: OURS[UT_PEX] if self.allows_pex else 0,
                UT_HOLEPUNCH: OURS[UT_HOLEPUNCH] if self.offers_holepunch else 0,
            },
            client=self._config.client,
            request_queue=self._config.request_queue,
            metadata_size=len(self.info_bytes) if self.info_bytes else None,
            listen_port=listen_port,
            your_ip=packed_ip(address.host),
            upload_only=True if self.is_upload_only else None,
            prefers_encryption=True if self._config.prefers_encryption else None,
        )
        return wire.Extended(EXTENDED_HANDSHAKE, ours.to_bytes())

    def metadata_requests(self, requests: Iterable[MetadataRequest]) -> list[wire.Extended]:
        """Asks for metadata; not at all when the peer has switched it off."""
        asked = [self._extended(UT_METADATA, encode_metadata(request)) for request in requests]
        found = [message for message in asked if message is not None]
        self._owed += len(found)
        return found

    def pex(self, message: PexMessage) -> wire.Extended | None:
        """Names others to the peer, unless it does not want that."""
        return self._extended(UT_PEX, encode_pex(message))

    def holepunch(self, message: PunchMessage) -> wire.Extended | None:
        """Asks the peer to introduce us to somebody, introduces somebody to it, or declines, if it knows that."""
        return self._extended(UT_HOLEPUNCH, encode_holepunch(message))

    def dont_have(self, index: int) -> wire.Extended | None:
        """Takes a `have` back, if the peer understands that (BEP 54)."""
        return self._extended(LT_DONTHAVE, index.to_bytes(4, "big"))

    def upload_only(self, is_upload_only: bool) -> wire.Extended | None:
        """Says that we want nothing any more, or something again, if the peer understands that (BEP 21)."""
        self.is_upload_only = is_upload_only
        return self._extended(UPLOAD_ONLY, bytes([is_upload_only]))

    # Views

    @property
    def takes_pex(self) -> bool:
        """Whether the peer wants to hear of others."""
        return self._remote_peer.extensions.extensions.get(UT_PEX, 0) > 0

    @property
    def takes_holepunch(self) -> bool:
        """Whether the peer knows hole punching."""
        return self._remote_peer.extensions.extensions.get(UT_HOLEPUNCH, 0) > 0

    def _extended(self, name: bytes, payload: bytes) -> wire.Extended | None:
        number = self._remote_peer.extensions.extensions.get(name, 0)
        return wire.Extended(number, payload) if number else None

    def _receive_metadata(self, payload: bytes, is_read: bool) -> Received:
        message = decode_metadata(payload)
        if isinstance(message, MetadataRequest):
            answer, was_due = self._answer(message.index, is_read)
            reply = self._extended(UT_METADATA, encode_metadata(answer))
            return Received((), reply, was_due and reply is not None)
        if message is None:
            return Received()
        was_due = self._owed > 0
        self._owed -= was_due
        return Received((MetadataArrived(message),), None, was_due)

    def _answer(self, index: int, is_read: bool) -> tuple[MetadataData | MetadataReject, bool]:
        answer = answer_request(self.info_bytes, index)
        if isinstance(answer, MetadataReject):
            return answer, False
        piece_count = -(-answer.total_size // METADATA_PIECE_SIZE)
        if not is_read or self._served >= self._config.metadata_copies * piece_count:
            return MetadataReject(index), False
        self._served += 1
        return answer, True

    def _receive_dont_have(self, payload: bytes) -> Received:
        if len(payload) != 4:
            raise WireError(f"the peer takes back a piece with {len(payload)} bytes instead of 4")
        index = int.from_bytes(payload, "big")
        return Received((PeerLost(index),) if self._remote_peer.pieces.receive_dont_have(index) else ())


OURS = {
    UT_METADATA: 1,
    UT_PEX: 2,
    LT_DONTHAVE: 3,
    UPLOAD_ONLY: 4,
    UT_HOLEPUNCH: 5,
}  # the numbers under which we want to receive
