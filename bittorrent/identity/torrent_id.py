"""What one torrent is known by: one hash of its info dictionary, or two, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1, sha256

from transfer.wire.bencode import BencodeError
from transfer.wire.bencode_parts import BencodedParts

V1_KEYS = frozenset((b"files", b"length", b"pieces"))  # of an info dictionary: a hybrid has them beside its file tree
SHORT_SIZE = 20  # of a hash in handshakes, in the DHT, and for trackers
V2_SIZE = 32


@dataclass(frozen=True, slots=True)
class TorrentId:
    """The hashes of a torrent: `v1` (20 bytes, BEP 3), `v2` (32 bytes, BEP 52), or both (a hybrid).

    Where there is room for 20 bytes only, a version 2 hash is cut off (BEP 52). So whoever has nothing but 20 bytes (an
    old link, a pointer of BEP 46, a bare info-hash) cannot tell which version they are of: the metadata does.

    Attributes:
        is_either: `v1` is all that is known, and may as well be the beginning of a version 2 hash.

    Raises:
        ValueError: neither, or one of another size, or `is_either` where there is more to go by.
    """

    v1: bytes | None = None
    v2: bytes | None = None
    is_either: bool = field(default=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.v1 is None and self.v2 is None:
            raise ValueError("a torrent has one hash at least")
        if self.v1 is not None and len(self.v1) != SHORT_SIZE:
            raise ValueError(f"an info-hash has {SHORT_SIZE} bytes, not {len(self.v1)}")
        if self.v2 is not None and len(self.v2) != V2_SIZE:
            raise ValueError(f"an info-hash of version 2 has {V2_SIZE} bytes, not {len(self.v2)}")
        if self.is_either and (self.v1 is None or self.v2 is not None):
            raise ValueError("only an info-hash of 20 bytes that stands alone can be of either version")

    @classmethod
    def of(cls, info_bytes: bytes) -> TorrentId:
        """Of an info dictionary, exactly as it came. What is no dictionary has a version 1 hash.

        Cost: a look at each of its keys and values; `of_halves` does without.
        """
        try:
            info = BencodedParts(info_bytes, apart=b"files", unread=(b"file tree",)).values
        except BencodeError:
            return cls.of_halves(info_bytes, has_v1=True, has_v2=False)
        has_v2 = info.get(b"meta version") == 2
        return cls.of_halves(info_bytes, has_v1=not has_v2 or not V1_KEYS.isdisjoint(info), has_v2=has_v2)

    @classmethod
    def of_halves(cls, info_bytes: bytes, *, has_v1: bool, has_v2: bool) -> TorrentId:
        """Of an info dictionary that is known to describe its files in one of these ways, or in both."""
        return cls(
            sha1(info_bytes, usedforsecurity=False).digest() if has_v1 else None,
            sha256(info_bytes).digest() if has_v2 else None,
        )

    @property
    def info_hash(self) -> bytes:
        """The 20 bytes under which everything about the torrent is kept: of version 1, if there are any."""
        return self.short[0]

    @property
    def v2_short(self) -> bytes | None:
        """The version 2 hash where there is room for 20 bytes only."""
        return self.v2[:SHORT_SIZE] if self.v2 is not None else None

    @property
    def short(self) -> tuple[bytes, ...]:
        """All hashes of 20 bytes: what peers, trackers and the DHT may know the torrent by."""
        return tuple(dict.fromkeys(alias for alias in (self.v1, self.v2_short) if alias is not None))

    @property
    def aliases(self) -> tuple[bytes, ...]:
        """Everything that it may be known by, `info_hash` first."""
        return self.short if self.v2 is None else (*self.short, self.v2)

    @property
    def is_hybrid(self) -> bool:
        """Whether it is known by both hashes."""
        return self.v1 is not None and self.v2 is not None

    def describes(self, found: TorrentId) -> bool:
        """Whether a torrent with these hashes is the one that is meant: it has each of ours, and perhaps one more."""
        if self.is_either and self.v1 == found.v2_short:
            return True
        return self.v1 in (None, found.v1) and self.v2 in (None, found.v2)

    def is_same_as(self, other: TorrentId) -> bool:
        """Whether both are of one torrent: they have a hash in common, and none that differs."""
        if (self.is_either and self.v1 in other.short) or (other.is_either and other.v1 in self.short):
            return True
        pairs = [(ours, theirs) for ours, theirs in ((self.v1, other.v1), (self.v2, other.v2)) if ours and theirs]
        return bool(pairs) and all(ours == theirs for ours, theirs in pairs)

    def names(self, info_bytes: bytes) -> bool:
        """Whether an info dictionary hashes to everything that is known of the torrent. Cost: that of the hashes."""
        if self == self.of_halves(info_bytes, has_v1=self.v1 is not None, has_v2=self.v2 is not None):
            return True
        return self.is_either and self.describes(self.of_halves(info_bytes, has_v1=False, has_v2=True))

    def __str__(self) -> str:
        return self.info_hash.hex()
