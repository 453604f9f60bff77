"""Torrents that change: a mutable item that names the present info-hash, and the link to it (BEP 46)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kademlia_core.key import Key
from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import MAX_SALT_BYTES, PUBLIC_KEY_SIZE, decode_value, target_of
from transfer.errors import DecodeError

if TYPE_CHECKING:
    from transfer.wire import bencode

INFO_HASH_SIZE = 20
MAX_LINK_CHARACTERS = 64 << 10


class PointerError(DecodeError):
    """A link or a stored value that does not point to a torrent."""


@dataclass(frozen=True, slots=True)
class PointerLink:
    """`magnet:?xs=urn:btpk:…&s=…`: whose torrent, and which one of theirs.

    Args:
        public_key: Ed25519, 32 bytes.
        salt: up to 64 bytes, empty for none.

    Raises:
        PointerError: a key or salt of another size.
    """

    public_key: bytes
    salt: bytes = b""

    def __post_init__(self) -> None:
        if len(self.public_key) != PUBLIC_KEY_SIZE:
            raise PointerError(f"a public key has {PUBLIC_KEY_SIZE} bytes, not {len(self.public_key)}")
        if len(self.salt) > MAX_SALT_BYTES:
            raise PointerError(f"the salt has {len(self.salt)} bytes, more than {MAX_SALT_BYTES}")

    @classmethod
    def parse(cls, text: str) -> PointerLink:
        """Reads a magnet link with `xs=urn:btpk:`; other parameters are ignored.

        Raises:
            PointerError: not such a link, or with two different keys or salts.
        """
        text = text.strip()
        if len(text) > MAX_LINK_CHARACTERS:
            raise PointerError(f"the magnet link is longer than {MAX_LINK_CHARACTERS} characters")
        if text[:8].lower() != "magnet:?":
            raise PointerError("not a magnet link: it does not begin with magnet:?")
        keys: dict[bytes, None] = {}
        salts: dict[bytes, None] = {}
        for parameter in text[8:].split("&"):
            name, _, raw = parameter.partition("=")
            name, value = name.lower(), unquote(raw).strip()
            if name == "xs" and value[:9].lower() == "urn:btpk:":
                keys[_from_hex(value[9:], "public key")] = None
            elif name == "s":
                salts[_from_hex(value, "salt")] = None
        if len(keys) != 1 or len(salts) > 1:
            found = "no public key (xs=urn:btpk:…)" if not keys else "more than one public key or salt"
            raise PointerError(f"the magnet link has {found}")
        return cls(*keys, *salts)

    @property
    def target(self) -> Key:
        """Where the item is stored that names the torrent."""
        return target_of(self.public_key, self.salt)

    def __str__(self) -> str:
        salt = f"&s={self.salt.hex()}" if self.salt else ""
        return f"magnet:?xs=urn:btpk:{self.public_key.hex()}{salt}"


def pointer_to(info_hash: Key) -> dict[str, bencode.Encodable]:
    """The value to sign for a torrent: `MutableItem.sign(key, pointer_to(info_hash), seq=…)`.

    Raises:
        PointerError: an info-hash that is not 20 bytes wide; version 2 torrents go by their truncated one.
    """
    if info_hash.bits != 8 * INFO_HASH_SIZE:
        raise PointerError(f"an info-hash has {INFO_HASH_SIZE} bytes, not {info_hash.bits // 8}")
    return {"ih": bytes(info_hash)}


def info_hash_in(value: bytes) -> Key:
    """The info-hash in the raw value of an item; further entries of its dictionary are ignored.

    Raises:
        PointerError: it does not point to a torrent.
    """
    try:
        decoded = decode_value(value)
    except ItemError as error:
        raise PointerError(str(error)) from None
    info_hash = decoded.get(b"ih") if isinstance(decoded, dict) else None
    if not isinstance(info_hash, bytes) or len(info_hash) != INFO_HASH_SIZE:
        raise PointerError("the item does not point to a torrent: it has no info-hash of 20 bytes")
    return Key.from_bytes(info_hash)


def _from_hex(text: str, what: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(text) != 2 * len(data):  # fromhex skips spaces
        raise PointerError(f"the {what} of the magnet link is not written in hexadecimal digits")
    return data
