"""Bencode (BEP 3): the one seam between this library and a codec that others keep well.

Whatever codec does the work, a value is accepted or refused by the rules below alone:

* integers are `i0e` or an optional minus and digits without a leading zero, at most `MAX_INTEGER_DIGITS` of them;
* string lengths are digits without a leading zero and stay inside the data;
* dictionary keys are strings and appear once. They should be sorted, but real torrents exist whose keys are not
  (libtorrent's `unordered.torrent` loads everywhere), so the order is not checked;
* size, depth and the number of tokens are bounded before anything is built;
* nothing follows the value, except where `decode_prefix` says how much of the data it took.

`bencode2` (C++, the `speed` extra) is tried first. What it refuses, and whatever could hide from it, goes through the
scanner and then `bencode.py`. `tests/property/test_bencode.py` shows that the two paths agree.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import bencodepy

from transfer.errors import DecodeError, LocalProtocolError

try:
    import bencode2 as _fast
except ImportError:  # the `speed` extra is not installed
    _fast = None  # type: ignore[assignment]

# What decoding gives. `Encodable` is wider: str, bool, tuple and any mapping can be written.
Value: TypeAlias = int | bytes | list["Value"] | dict[bytes, "Value"]
Encodable: TypeAlias = (
    int | bytes | str | Sequence["Encodable"] | Mapping[bytes, "Encodable"] | Mapping[str, "Encodable"]
)

MAX_INTEGER_DIGITS = 20  # the digits of 2**64 - 1
MAX_DEPTH = 48  # bencode.py recurses; a BEP 52 file tree nests one level for each folder
MAX_TOKENS = 2_500_000  # libtorrent's metadata_token_limit
MAX_SIZE_BYTES = 64 << 20
TOKENS_A_PAUSE = 2000


class BencodeError(DecodeError):
    """The only error of this module for bytes from outside. `offset` is where the data went wrong."""

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"invalid bencode at byte {offset}: {reason}")
        self.reason = reason
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class BencodeLimits:
    """Bounds checked before a value is built. `size_bytes` covers the whole input."""

    size_bytes: int = MAX_SIZE_BYTES
    depth: int = MAX_DEPTH
    tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        if not (self.size_bytes > 0 and 0 < self.depth <= MAX_DEPTH and self.tokens > 0):
            raise ValueError(f"bencode limits must be positive and depth at most {MAX_DEPTH}")


DEFAULT_LIMITS = BencodeLimits()


def decode(data: bytes, *, limits: BencodeLimits = DEFAULT_LIMITS) -> Value:
    """The value that `data` holds, all of it. Strings and keys are bytes; dictionaries keep the order of the wire.

    Raises:
        BencodeError: not exactly one valid value, or a bound of `limits` is exceeded.
    """
    if _fast is not None:
        value = _decode_fast(data, limits)
        if value is not None:
            return value
    end = _scan(data, 0, limits)
    if end != len(data):
        raise BencodeError("data after the value", end)
    return _build(data)


def decode_dict(data: bytes, *, limits: BencodeLimits = DEFAULT_LIMITS) -> dict[bytes, Value]:
    """`decode`, for the many formats whose outermost value is a dictionary.

    Raises:
        BencodeError: as `decode`, or the value is not a dictionary.
    """
    if data[:1] != b"d":
        raise BencodeError("not a dictionary")
    value = decode(data, limits=limits)
    assert isinstance(value, dict)
    return value


def decode_prefix(data: bytes, *, limits: BencodeLimits = DEFAULT_LIMITS) -> tuple[Value, int]:
    """The value at the start of `data` and the number of bytes it took (BEP 9 puts raw bytes behind a dictionary).

    Raises:
        BencodeError: `data` does not begin with a valid value.
    """
    end = _scan(data, 0, limits)
    return _build(data[:end]), end


def spans(data: bytes, *, limits: BencodeLimits = DEFAULT_LIMITS) -> dict[bytes, tuple[int, int]]:
    """Where each value of the outermost dictionary lies: key to `(start, end)` of its raw form in `data`.

    An info-hash is the hash of these bytes, never of a new encoding. Bytes behind the dictionary are allowed:
    torrents with a trailing newline are in circulation.

    Raises:
        BencodeError: `data` does not begin with a valid dictionary.
    """
    if data[:1] != b"d":
        raise BencodeError("not a dictionary")
    found: dict[bytes, tuple[int, int]] = {}
    _scan(data, 0, limits, found)
    return found


def encode(value: Encodable) -> bytes:
    """The canonical form: keys sorted as raw bytes. `str` is written as UTF-8, `bool` as 0 or 1.

    Raises:
        LocalProtocolError: a type that bencode cannot express (None, float, a key that is neither bytes nor str).
    """
    try:
        return _encode(value)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise LocalProtocolError(f"cannot be bencoded: {error}") from None


def join(raw_values: Mapping[bytes, bytes]) -> bytes:
    """The dictionary of values that are bencoded already, each kept as it is: the inverse of `spans`."""
    return b"d%se" % b"".join(b"%d:%s%s" % (len(key), key, raw_values[key]) for key in sorted(raw_values))


def _encode_slowly(value: Encodable) -> bytes:
    encoded: bytes = _slow_codec.encode(_plain(value))
    return encoded


def _plain(value: Any) -> Any:
    """bencode.py looks types up exactly, writes any key it can turn to bytes, and does not notice duplicates."""
    if isinstance(value, Mapping):
        plain: dict[bytes, Any] = {}
        for key, item in value.items():
            raw = key.encode() if isinstance(key, str) else key
            if not isinstance(raw, bytes) or raw in plain:
                raise TypeError(f"{key!r} is not a usable dictionary key")
            plain[raw] = _plain(item)
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (bytes, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no bencoded form")


def _decode_fast(data: bytes, limits: BencodeLimits) -> Value | None:
    """The value, or None for what the fast codec refuses, which is more than this module does.

    Cheap upper bounds (every `d` or `l` byte might open a level, every two bytes might be a token) show for nearly
    every DHT packet that no limit is exceeded; only the rest is scanned first.
    """
    is_small = len(data) <= min(limits.size_bytes, 2 * limits.tokens)
    if not is_small or data.count(b"d") + data.count(b"l") > limits.depth or _LONG_INTEGER.search(data):
        _scan(data, 0, limits)
    try:
        value: Value = _fast.bdecode(data)
    except (_fast.BencodeDecodeError, ValueError):
        return None
    return value


def _build(data: bytes) -> Value:
    try:
        value: Value = _slow_codec.decode(data)
    except bencodepy.BencodeDecodeError as error:  # the scanner passed it, so this is a bug worth a report
        raise BencodeError(str(error)) from None
    return value


def scan(
    data: bytes, start: int, limits: BencodeLimits, *, pause: Callable[[], None], ends: array[int] | None = None
) -> int:
    """Checks the value at `start` by the rules of this module without building it; returns where it ends.

    Args:
        pause: called after every few thousand tokens.
        ends: receives where each element of a list ends.

    Raises:
        BencodeError: not a valid value, or a bound is exceeded.
    """
    return _scan(data, start, limits, pause=pause, ends=ends)


def scan_string(data: bytes, start: int) -> tuple[bytes, int]:
    """The string at `start`, and where it ends.

    Raises:
        BencodeError: there is none.
    """
    token = _TOKEN.match(data, start)
    if token is None or token[1] is None:
        raise BencodeError("truncated" if start >= len(data) else "a dictionary key is not a string", start)
    end = _string_end(data, token, DEFAULT_LIMITS)
    return data[token.end() : end], end


def decode_scanned(data: bytes) -> Value:
    """`decode` for data that `scan` has found valid, all of it: it is not looked at again."""
    if _fast is not None:
        try:
            value: Value = _fast.bdecode(data)
        except (_fast.BencodeDecodeError, ValueError):  # it is stricter than this module
            pass
        else:
            return value
    return _build(data)


def _scan(
    data: bytes,
    start: int,
    limits: BencodeLimits,
    top: dict[bytes, tuple[int, int]] | None = None,
    *,
    pause: Callable[[], None] | None = None,
    ends: array[int] | None = None,
) -> int:
    """Checks one value by the rules of this module without building it; returns where it ends.

    `top` receives the span of each value of the outermost dictionary, `ends` the end of each element of the outermost
    list. Iterative, so depth costs no stack.
    """
    if len(data) > limits.size_bytes:
        raise BencodeError(f"{len(data)} bytes are more than the {limits.size_bytes} allowed")
    position, tokens = start, 0
    keys: list[set[bytes] | None] = []  # one entry a level: the keys seen in a dictionary, None for a list
    awaiting_key: list[bool] = []
    key, value_start = b"", start
    while True:
        token = _TOKEN.match(data, position)
        if token is None:
            raise BencodeError("truncated" if position >= len(data) else "not a valid token", position)
        token_start, position = position, token.end()
        kind = data[token_start]
        tokens += kind != _END
        if tokens > limits.tokens:
            raise BencodeError(f"more than {limits.tokens} tokens", token_start)
        if pause is not None and not tokens % TOKENS_A_PAUSE:
            pause()
        if kind == _END:
            if not keys or (keys[-1] is not None and not awaiting_key[-1]):
                raise BencodeError("unexpected end marker", token_start)
            keys.pop()
            awaiting_key.pop()
        elif awaiting_key and awaiting_key[-1]:
            if kind in _NOT_A_STRING:
                raise BencodeError("a dictionary key is not a string", token_start)
            text_start, position = position, _string_end(data, token, limits)
            text = data[text_start:position]
            seen = keys[-1]
            assert seen is not None
            if text in seen:
                raise BencodeError("a dictionary key appears twice", token_start)
            seen.add(text)
            awaiting_key[-1] = False
            if len(keys) == 1:
                key, value_start = text, position
            continue
        elif kind in _CONTAINERS:
            if len(keys) >= limits.depth:
                raise BencodeError(f"nested deeper than {limits.depth} levels", token_start)
            keys.append(set() if kind == _DICT else None)
            awaiting_key.append(kind == _DICT)
            continue
        elif kind != _INTEGER:
            position = _string_end(data, token, limits)
        # a value ended here
        if not keys:
            return position
        if keys[-1] is not None:
            awaiting_key[-1] = True
            if top is not None and len(keys) == 1:
                top[key] = (value_start, position)
        elif ends is not None and len(keys) == 1:
            ends.append(position)


def _string_end(data: bytes, token: re.Match[bytes], limits: BencodeLimits) -> int:
    length = int(token[1])
    end = token.end() + length
    if end > len(data):
        raise BencodeError(f"a string of {length} bytes does not fit", token.start())
    return end


_INTEGER, _DICT, _LIST, _END = ord("i"), ord("d"), ord("l"), ord("e")
_CONTAINERS = frozenset((_DICT, _LIST))
_NOT_A_STRING = frozenset((_INTEGER, _DICT, _LIST))
_TOKEN = re.compile(rb"(0|[1-9][0-9]{0,9}):|i(?:0|-?[1-9][0-9]{0,%d})e|[dle]" % (MAX_INTEGER_DIGITS - 1))
_LONG_INTEGER = re.compile(rb"i-?[0-9]{%d}" % (MAX_INTEGER_DIGITS + 1))
_slow_codec = bencodepy.Bencode(encoding=None)


def _encode_quickly(value: Encodable) -> bytes:
    encoded: bytes = _fast.bencode(value)
    return encoded


_encode: Callable[[Encodable], bytes] = _encode_slowly
codec_name = "bencode.py"
if _fast is not None:
    _encode, codec_name = _encode_quickly, "bencode2"
