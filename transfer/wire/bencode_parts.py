"""Large bencoded dictionaries, decoded a little at a time, so that other work need not wait for all of it.

A decoder in C keeps every other thread of the interpreter waiting while it works: a second for the metadata of 300,000
files. Here the data is scanned in Python, and only short stretches of it are handed to the decoder.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from transfer.wire.bencode import (
    DEFAULT_LIMITS,
    BencodeError,
    BencodeLimits,
    decode_scanned,
    scan,
    scan_string,
)

if TYPE_CHECKING:
    from transfer.wire.bencode import Value


def no_pause() -> None:
    """For callers that need none."""


class BencodedParts:
    """The dictionary at the start of `data`, by the rules of `bencode.decode`; what follows it is not looked at.

    Args:
        inside: the key of a dictionary that is taken apart in the same way.
        apart: the key of a list (of the dictionary `inside`, if that is given) that is not decoded at once: `listed`.
        unread: keys of dictionaries (of both) that are checked but not decoded: `spans` says where they lie.
        limits: the tokens are counted for each value on its own.
        pause: called after every few thousand tokens, and after every short stretch that was decoded. It may let
            others work, or raise to put an end to it.

    Attributes:
        values: what was decoded. A dictionary of more than `MAX_VALUE_BYTES` bytes is empty, and one element of a list
            may not have more: what we read is never that large.
        inner: the dictionary `inside`, if there is one; its place in `values` is an empty dictionary.
        listed: the list `apart`, if it is a list; its place in `values` is an empty list.
        spans: where the dictionaries `unread` begin and end in `data`; their places in `values` are empty dictionaries.
        start, end: where the dictionary lies in `data`.

    Raises:
        BencodeError: not a valid dictionary, or a bound is exceeded.
    """

    __slots__ = ("end", "inner", "listed", "spans", "start", "values")
    end: int

    def __init__(
        self,
        data: bytes,
        *,
        start: int = 0,
        inside: bytes | None = None,
        apart: bytes | None = None,
        unread: Collection[bytes] = (),
        limits: BencodeLimits = DEFAULT_LIMITS,
        pause: Callable[[], None] = no_pause,
    ) -> None:
        if len(data) > limits.size_bytes:
            raise BencodeError(f"{len(data)} bytes are more than the {limits.size_bytes} allowed")
        if data[start : start + 1] != b"d":
            raise BencodeError("not a dictionary", start)
        self.start = start
        self.values: dict[bytes, Value] = {}
        self.inner: BencodedParts | None = None
        self.listed: BencodedList | None = None
        self.spans: dict[bytes, tuple[int, int]] = {}
        position = start + 1
        while data[position : position + 1] != b"e":
            key_start, (key, position) = position, scan_string(data, position)
            if key in self.values:
                raise BencodeError("a dictionary key appears twice", key_start)
            value_start, kind = position, data[position : position + 1]
            if kind == b"d" and key == inside:
                self.inner = BencodedParts(data, start=position, apart=apart, unread=unread, limits=limits, pause=pause)
                self.values[key], position = {}, self.inner.end
            elif kind == b"l":
                listed = BencodedList(data, position, limits=limits, pause=pause)
                position = listed.end
                if inside is None and key == apart:
                    self.listed, self.values[key] = listed, []
                else:
                    self.values[key] = [item for batch in listed.batches(pause=pause) for item in batch]
            else:
                position = scan(data, position, limits, pause=pause)
                if kind == b"d" and key in unread:
                    self.spans[key] = value_start, position
                    self.values[key] = {}
                elif kind == b"d" and position - value_start > MAX_VALUE_BYTES:
                    self.values[key] = {}
                else:
                    self.values[key] = decode_scanned(data[value_start:position])
            pause()
        self.end = position + 1


class BencodedList:
    """A list whose elements are known to be valid, and are decoded when they are asked for.

    `end` is where it ends in the data.

    Raises:
        BencodeError: not a valid list, or a bound is exceeded.
    """

    __slots__ = ("_data", "_ends", "_start", "end")

    def __init__(self, data: bytes, start: int, *, limits: BencodeLimits, pause: Callable[[], None]) -> None:
        self._data = data
        self._start = start + 1
        self._ends = array("Q")  # of each element
        self.end = scan(data, start, limits, pause=pause, ends=self._ends)

    def __len__(self) -> int:
        return len(self._ends)

    def batches(self, *, pause: Callable[[], None] = no_pause) -> Iterator[list[Value]]:
        """All elements in order, a few at a time.

        Raises:
            BencodeError: one is larger than `MAX_VALUE_BYTES`.
        """
        data, first, count, last = self._data, self._start, 0, self.end - 1
        for end in self._ends:
            count += 1
            if end - first >= BATCH_BYTES or count == ELEMENTS_A_BATCH or end == last:
                if end - first > MAX_VALUE_BYTES:
                    raise BencodeError(f"an element of {end - first} bytes", first)
                batch = decode_scanned(b"l%se" % data[first:end])
                assert isinstance(batch, list)
                yield batch
                first, count = end, 0
                pause()


MAX_VALUE_BYTES = 1 << 20
BATCH_BYTES = 16 << 10
ELEMENTS_A_BATCH = 256
