"""Bencode as careless servers write it: for answers of trackers, and for nothing else.

What is bencode is read by `bencode`. Only what that refuses is read here, with the same bounds, and forgiven:

* white space and a byte-order mark before the dictionary, and whatever follows it;
* keys that appear twice: the first one counts, as in libtorrent;
* integers and lengths with leading zeros, integers with a plus sign, `-0`, or decimals, which are cut off.

Nothing that is hashed, signed or stored may be read this way: it would not be written as it was.
"""

from __future__ import annotations

import re
from enum import Enum

from transfer.wire import bencode
from transfer.wire.bencode import DEFAULT_LIMITS, BencodeError, BencodeLimits, Value


def decode_dict_leniently(data: bytes, *, limits: BencodeLimits = DEFAULT_LIMITS) -> dict[bytes, Value]:
    """The dictionary that `data` begins with.

    Raises:
        BencodeError: there is none, it breaks off, or a bound of `limits` is exceeded.
    """
    try:
        return bencode.decode_dict(data, limits=limits)
    except BencodeError:
        if len(data) > limits.size_bytes:
            raise
    begin = _MARGIN.match(data)
    assert begin is not None
    if data[begin.end() : begin.end() + 1] != b"d":
        raise BencodeError("not a dictionary", begin.end())
    return _Reader(data, begin.end(), limits).read()


class _Mark(Enum):
    DICT = b"d"
    LIST = b"l"
    END = b"e"


class _Reader:
    """One pass, without recursion: depth costs no stack."""

    def __init__(self, data: bytes, position: int, limits: BencodeLimits) -> None:
        self._data = data
        self._position = position
        self._limits = limits
        self._tokens = 0

    def read(self) -> dict[bytes, Value]:
        outermost: dict[bytes, Value] = {}
        open_values: list[dict[bytes, Value] | list[Value]] = []
        keys: list[bytes | None] = []  # of each open dictionary: the key whose value comes next
        while True:
            start, token = self._position, self._next()
            value: Value
            if token is _Mark.END:
                if not open_values or keys[-1] is not None:
                    raise BencodeError("unexpected end marker", start)
                value = open_values.pop()
                keys.pop()
                if not open_values:
                    return outermost
                continue  # it was put into its parent when it began
            value = {} if token is _Mark.DICT else [] if token is _Mark.LIST else token
            if open_values:
                if not self._put(open_values[-1], keys, value, start):
                    continue  # it was a key
            elif isinstance(value, dict):
                outermost = value
            if isinstance(value, dict | list):
                if len(open_values) >= self._limits.depth:
                    raise BencodeError(f"nested deeper than {self._limits.depth} levels", start)
                open_values.append(value)
                keys.append(None)

    def _put(
        self, parent: dict[bytes, Value] | list[Value], keys: list[bytes | None], value: Value, start: int
    ) -> bool:
        """Puts a value where it belongs; False if it is the key of what follows."""
        if isinstance(parent, list):
            parent.append(value)
            return True
        key = keys[-1]
        if key is not None:
            parent.setdefault(key, value)
            keys[-1] = None
            return True
        if not isinstance(value, bytes):
            raise BencodeError("a dictionary key is not a string", start)
        keys[-1] = value
        return False

    def _next(self) -> int | bytes | _Mark:
        data, start = self._data, self._position
        token = _TOKEN.match(data, start)
        if token is None:
            raise BencodeError("truncated" if start >= len(data) else "not a valid token", start)
        self._tokens += 1
        if self._tokens > 2 * self._limits.tokens:  # end markers are counted here
            raise BencodeError(f"more than {self._limits.tokens} tokens", start)
        self._position = token.end()
        if token["integer"] is not None:
            return int(token["integer"])
        if token["length"] is None:
            return _Mark(token[0])
        end = token.end() + int(token["length"])
        if end > len(data):
            raise BencodeError(f"a string of {int(token['length'])} bytes does not fit", start)
        self._position = end
        return data[token.end() : end]


_MARGIN = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*")
_TOKEN = re.compile(rb"(?P<length>[0-9]{1,20}):|i(?P<integer>[+-]?[0-9]{1,40})(?:\.[0-9]{0,20})?e|[dle]")
