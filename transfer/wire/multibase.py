"""Bytes as text: base58 of Bitcoin, and the bases that a multibase prefix names (multiformats)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from transfer.errors import DecodeError

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_CHARACTERS = 512  # digits of large bases cost the square of their number


class MultibaseError(DecodeError):
    """A text that is not in the base it claims to be in."""


def to_base58(data: bytes) -> str:
    """Without a prefix, as peer ids are written."""
    return _to_digits(data, BASE58)


def from_base58(text: str) -> bytes:
    """The inverse of `to_base58`.

    Raises:
        MultibaseError: another character, or too many of them.
    """
    return _from_digits(text, BASE58)


def encode_multibase(data: bytes, base: str) -> str:
    """The text with its prefix.

    Args:
        base: "base16", "base32", "base36", "base58btc" or "base64url".

    Raises:
        ValueError: another base.
    """
    if base not in _BASES:
        raise ValueError(f"{base} is none of {', '.join(_BASES)}")
    prefix, encode, _ = _BASES[base]
    return prefix + encode(data)


def decode_multibase(text: str) -> bytes:
    """The bytes of a text whose first character names its base.

    Raises:
        MultibaseError: no such base, or not a text in it.
    """
    if len(text) > MAX_CHARACTERS:
        raise MultibaseError(f"a text of {len(text)} characters is longer than {MAX_CHARACTERS}")
    for prefix, _, decode in _BASES.values():
        if text[:1] == prefix:
            return decode(text[1:])
    raise MultibaseError(f"{text[:1]!r} names no base that is known here" if text else "an empty text names no base")


def to_base32(data: bytes) -> str:
    """RFC 4648, small letters, without padding."""
    return base64.b32encode(data).decode().rstrip("=").lower()


def from_base32(text: str) -> bytes:
    """The inverse of `to_base32`.

    Raises:
        MultibaseError: another character, or bits that belong to no byte.
    """
    if text.lower() != text or "=" in text:
        raise MultibaseError("base32 is written in small letters and without padding")
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise MultibaseError("that is not base32") from None
    return _exactly(data, text, to_base32)


def _to_base16(data: bytes) -> str:
    return data.hex()


def _from_base16(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise MultibaseError("that is not base16") from None
    return _exactly(data, text, _to_base16)


def _to_base36(data: bytes) -> str:
    return _to_digits(data, BASE36)


def _from_base36(text: str) -> bytes:
    return _from_digits(text, BASE36)


def _to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64url(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MultibaseError("that is not base64url") from None
    return _exactly(data, text, _to_base64url)


def _exactly(data: bytes, text: str, encode: Callable[[bytes], str]) -> bytes:
    """What decodes to the same bytes as another text would make two names of one thing."""
    if encode(data) != text:
        raise MultibaseError("that is not how these bytes are written in this base")
    return data


def _to_digits(data: bytes, digits: str) -> str:
    """A large number in a base; each zero byte in front is a zero digit in front."""
    value, base, found = int.from_bytes(data, "big"), len(digits), []
    while value:
        value, digit = divmod(value, base)
        found.append(digits[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return digits[0] * zeros + "".join(reversed(found))


def _from_digits(text: str, digits: str) -> bytes:
    if len(text) > MAX_CHARACTERS:
        raise MultibaseError(f"a text of {len(text)} characters is longer than {MAX_CHARACTERS}")
    value, base = 0, len(digits)
    for character in text:
        digit = digits.find(character)
        if digit < 0:
            raise MultibaseError(f"{character!r} is no digit in base {base}")
        value = value * base + digit
    zeros = len(text) - len(text.lstrip(digits[0]))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8, "big")


_BASES: dict[str, tuple[str, Callable[[bytes], str], Callable[[str], bytes]]] = {
    "base16": ("f", _to_base16, _from_base16),
    "base32": ("b", to_base32, from_base32),
    "base36": ("k", _to_base36, _from_base36),
    "base58btc": ("z", to_base58, from_base58),
    "base64url": ("u", _to_base64url, _from_base64url),
}
