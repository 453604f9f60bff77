"""Keys as people write them: content ids, and `/ipns/…` and `/pk/…` with a peer id as text."""

from __future__ import annotations

from kademlia_core.errors import InvalidKeyError
from transfer.errors import DecodeError
from transfer.identity.errors import IdentityError
from transfer.identity.peer_id import PeerId
from transfer.wire.multibase import decode_multibase, from_base58
from transfer.wire.varint import decode_varint

MAX_MULTIHASH_BYTES = 80
SHA2_256, SHA2_256_BYTES, CID_VERSION = 0x12, 34, 1


def content_key(cid: str | bytes) -> bytes:
    """The multihash of a content: under it providers are kept, whatever the version and the codec of its id.

    Args:
        cid: `Qm…`, or a text with its base in front like `bafy…`; bytes are a CID, or the multihash itself.

    Raises:
        InvalidKeyError: it is neither.
    """
    try:
        if isinstance(cid, bytes):
            data = cid
        elif cid.startswith("Qm") and len(cid) == 46:
            data = from_base58(cid)
        else:
            data = decode_multibase(cid)
        if data[:1] == bytes((CID_VERSION,)):
            _, place = decode_varint(data, 1)  # the codec
            data = data[place:]
        _, place = decode_varint(data)
        size, place = decode_varint(data, place)
    except DecodeError as error:
        raise InvalidKeyError(f"{str(cid)[:80]!r} is no content id: {error}") from None
    if len(data) - place != size or not 0 < len(data) <= MAX_MULTIHASH_BYTES:
        raise InvalidKeyError(f"{str(cid)[:80]!r} is no content id: its hash is cut off, or too long")
    return data


def value_key(key: str | bytes) -> bytes:
    """The key of a value. In `/ipns/` and `/pk/` a peer id is written as text and sent as bytes.

    Raises:
        InvalidKeyError: it does not begin with `/namespace/`, or ends with no peer id where one is due.
    """
    if isinstance(key, bytes):
        return key
    parts = key.split("/", 2)
    if len(parts) != 3 or parts[0] or not parts[1] or not parts[2]:
        raise InvalidKeyError(f"{key[:80]!r} is no key of a value: write /namespace/name")
    if parts[1] not in ("ipns", "pk"):
        return key.encode()
    try:
        return f"/{parts[1]}/".encode() + PeerId.parse(parts[2]).multihash
    except IdentityError as error:
        raise InvalidKeyError(f"{key[:80]!r} is no key of a value: {error}") from None
