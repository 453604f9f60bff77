"""What the other side of a connection has told us about itself, message by message (BEP 3, 5, 6, 10)."""

from __future__ import annotations

from bittorrent.errors import WireError
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import (
    ChokeChanged,
    DhtPortReceived,
    FastAllowed,
    InterestChanged,
    PeerEvent,
    PeerHas,
    PeerHasMany,
    PieceSuggested,
)
from bittorrent.peer.remote_pieces import RemotePieces
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_METADATA, ExtendedHandshake


class RemotePeer:
    """Its choke, its interest, its pieces, its extensions. It says nothing itself.

    Invariants:
        at most config.max_fast_pieces are allowed and as many suggested; all of them exist once their number is known
    """

    __slots__ = (
        "_config",
        "_piece_count",
        "allowed_fast",
        "extensions",
        "is_choking",
        "is_fast",
        "is_interested",
        "pieces",
        "suggested",
    )

    def __init__(self, config: PeerConfig) -> None:
        self.is_choking = True
        self.is_interested = False
        self.is_fast = False  # both sides speak the fast extension (BEP 6)
        self.extensions = ExtendedHandshake()
        self.pieces = RemotePieces(max_early=config.max_early_haves)
        self.allowed_fast: dict[int, None] = {}  # pieces we may ask for while choked
        self.suggested: dict[int, None] = {}  # pieces we are asked to prefer, the latest last
        self._config = config
        self._piece_count: int | None = None

    def set_piece_count(self, count: int) -> list[PeerEvent]:
        """The metadata is known: what was said before is checked, and reported now.

        Raises:
            WireError: the peer spoke of pieces that do not exist.
        """
        self._piece_count = count
        bits = self.pieces.set_piece_count(count)
        for index in (*self.allowed_fast, *self.suggested):
            self._check_piece(index)
        return [PeerHasMany(bits)] if bits.count else []

    def receive(self, message: wire.Message) -> list[PeerEvent]:
        """Takes what is rare: not blocks, requests and their answers, nor extensions.

        Raises:
            WireError: the message breaks the protocol.
        """
        match message:
            case wire.Choke() | wire.Unchoke():
                self.is_choking = isinstance(message, wire.Choke)
                return [ChokeChanged(self.is_choking)]
            case wire.Interested() | wire.NotInterested():
                was_interested, self.is_interested = self.is_interested, isinstance(message, wire.Interested)
                return [InterestChanged(self.is_interested)] if was_interested != self.is_interested else []
            case wire.BitfieldMessage(bits):
                return self._has_many() if self.pieces.receive_bits(bits) else []
            case wire.Port(port):
                return [DhtPortReceived(port)] if port else []
            case wire.HaveAll() | wire.HaveNone() | wire.AllowedFast() | wire.SuggestPiece() | wire.RejectRequest():
                if not self.is_fast:
                    raise WireError("the peer uses the fast extension without having agreed on it")
                return self._receive_fast(message)
        return []

    def receive_have(self, index: int) -> tuple[bool, list[PeerEvent]]:
        """Whether it is news, and what is to be reported.

        Raises:
            WireError: there is no such piece.
        """
        is_news = self.pieces.receive_have(index)
        return is_news, [PeerHas(index)] if is_news and self.pieces.bits is not None else []

    @property
    def request_limit(self) -> int:
        """How many requests the peer keeps: its `reqq`, or what clients that do not say so are known to take."""
        return self.extensions.request_queue or self._config.default_request_limit

    @property
    def metadata_size(self) -> int | None:
        """How large the peer says the metadata is, if it offers it and that is within our bound."""
        size = self.extensions.metadata_size
        offers = self.extensions.extensions.get(UT_METADATA, 0)
        return size if offers and size and size <= self._config.max_metadata_bytes else None

    def _receive_fast(self, message: wire.Message) -> list[PeerEvent]:
        match message:
            case wire.HaveAll():
                return self._has_many() if self.pieces.receive_all() else []
            case wire.AllowedFast(index):
                self._check_piece(index)
                if index not in self.allowed_fast and len(self.allowed_fast) < self._config.max_fast_pieces:
                    self.allowed_fast[index] = None
                    return [FastAllowed(index)]
            case wire.SuggestPiece(index):
                self._check_piece(index)
                self.suggested.pop(index, None)
                self.suggested[index] = None
                if len(self.suggested) > self._config.max_fast_pieces:
                    del self.suggested[next(iter(self.suggested))]
                return [PieceSuggested(index)]
        return []

    def _has_many(self) -> list[PeerEvent]:
        return [PeerHasMany(self.pieces.bits)] if self.pieces.bits is not None else []

    def _check_piece(self, index: int) -> None:
        if self._piece_count is not None and index >= self._piece_count:
            raise WireError(f"the peer spoke of piece {index} of {self._piece_count}")
