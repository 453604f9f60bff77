"""An address as one value: bytes on the wire, a text for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, final

from transfer.identity.peer_id import PeerId
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.protocols import BY_CODE, BY_NAME, Protocol
from transfer.multiaddr.values import ERRORS, MAX_VALUE_BYTES, VARIABLE
from transfer.wire.varint import VarintError, decode_varint, encode_varint

MAX_BYTES = 4096
MAX_COMPONENTS = 64
MAX_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Component:
    """One protocol of an address with its value.

    Attributes:
        code: its number.
        name: how it is written; `unknown-CODE` for one that is not known here.
        value: as text; empty where it has none.
        data: its bytes. Of a protocol that is not known all that follows belongs to it, as its end cannot be seen.
    """

    code: int
    name: str
    value: str
    data: bytes

    @property
    def is_known(self) -> bool:
        return self.code in BY_CODE


@final
class Multiaddr:
    """`/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…`. Immutable; equal bytes are equal addresses.

    What follows a protocol that is not known is kept as it is: the address can be handed on, and is of no use here.
    """

    __slots__ = ("_data", "_parts")

    def __init__(self, data: bytes) -> None:
        """Of its bytes.

        Raises:
            MultiaddrError: they are none.
        """
        object.__setattr__(self, "_parts", _parts(bytes(data)))
        object.__setattr__(self, "_data", bytes(data))

    @classmethod
    def parse(cls, text: str) -> Multiaddr:
        """Of its text, which begins with a slash; one at the end is left out.

        Raises:
            MultiaddrError: it is none; the text says which part of it.
        """
        if len(text) > MAX_CHARACTERS:
            raise MultiaddrError(f"an address of {len(text)} characters is longer than {MAX_CHARACTERS}")
        if not text.startswith("/") or text.strip("/") == "":
            raise MultiaddrError(
                f"{text[:80]!r} is no address: it begins with a slash and a protocol, like /ip4/192.0.2.1"
            )
        words = iter(text.removesuffix("/").split("/")[1:])
        data = bytearray()
        for name in words:
            protocol = BY_NAME.get(name)
            if protocol is None:
                raise MultiaddrError(f"{text[:80]!r}: there is no protocol {name[:40]!r}")
            data += encode_varint(protocol.code)
            if protocol.kind.size:
                value = next(words, None)
                if value is None:
                    raise MultiaddrError(f"{text[:80]!r}: /{name} needs a value")
                data += _encoded(protocol, value, text)
        return cls(bytes(data))

    def __truediv__(self, other: Multiaddr | str) -> Multiaddr:
        """What is reached through this one: `address / "/p2p-circuit"`."""
        return Multiaddr(self._data + (Multiaddr.parse(other) if isinstance(other, str) else other)._data)

    def of_peer(self, peer_id: PeerId) -> Multiaddr:
        """With a peer at the end of the way, which has none."""
        code = encode_varint(BY_NAME["p2p"].code)
        return Multiaddr(self._data + code + encode_varint(len(peer_id.multihash)) + peer_id.multihash)

    def value(self, name: str) -> str | None:
        """Of the first component of a name; None when there is none."""
        return next((part.value for part in self._parts if part.name == name), None)

    def has(self, name: str) -> bool:
        """Whether a protocol is part of it."""
        return any(part.name == name for part in self._parts)

    @property
    def peer_id(self) -> PeerId | None:
        """The peer at the end of the way, if the address ends with one."""
        last = self._parts[-1]
        return PeerId(last.data) if last.name == "p2p" else None

    @property
    def without_peer_id(self) -> Multiaddr | None:
        """The way to it; None when nothing but the id is there."""
        if self.peer_id is None:
            return self
        data = self._data[: len(self._data) - len(_component_bytes(self._parts[-1]))]
        return Multiaddr(data) if data else None

    @property
    def is_known(self) -> bool:
        """Whether all of its protocols are known here."""
        return self._parts[-1].is_known

    def __iter__(self) -> Iterator[Component]:
        return iter(self._parts)

    def __len__(self) -> int:
        """How many components it has."""
        return len(self._parts)

    def __bytes__(self) -> bytes:
        return self._data

    def __str__(self) -> str:
        return "".join(f"/{part.name}/{part.value}" if part.value else f"/{part.name}" for part in self._parts)

    def __repr__(self) -> str:
        return f"Multiaddr({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Multiaddr) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Multiaddr is immutable")

    def __reduce__(self) -> tuple[type[Multiaddr], tuple[bytes]]:
        return Multiaddr, (self._data,)

    _data: bytes
    _parts: tuple[Component, ...]


@lru_cache(maxsize=4096)
def _parts(data: bytes) -> tuple[Component, ...]:
    """The same answers name the same addresses over and over."""
    if not 0 < len(data) <= MAX_BYTES:
        raise MultiaddrError(f"an address has 1 to {MAX_BYTES} bytes, not {len(data)}")
    found: list[Component] = []
    place = 0
    try:
        while place < len(data):
            if len(found) >= MAX_COMPONENTS:
                raise MultiaddrError(f"an address has at most {MAX_COMPONENTS} parts")
            code, place = decode_varint(data, place)
            protocol = BY_CODE.get(code)
            if protocol is None:
                rest = data[place:]
                found.append(Component(code, f"unknown-{code}", rest.hex(), rest))
                break
            size = protocol.kind.size
            if size == VARIABLE:
                size, place = decode_varint(data, place)
            value = data[place : place + size]
            if len(value) != size or size > MAX_VALUE_BYTES:
                raise MultiaddrError(f"the value of /{protocol.name} is cut off, or too long")
            found.append(Component(code, protocol.name, _decoded(protocol, value), value))
            place += size
    except VarintError as error:
        raise MultiaddrError(f"that is no address: {error}") from None
    return tuple(found)


def _decoded(protocol: Protocol, data: bytes) -> str:
    try:
        return protocol.kind.decode(data)
    except ERRORS as error:
        raise MultiaddrError(f"the value of /{protocol.name} is none: {error}") from None


def _encoded(protocol: Protocol, value: str, text: str) -> bytes:
    try:
        data = protocol.kind.encode(value)
    except ERRORS as error:
        raise MultiaddrError(f"{text[:80]!r}: {value[:60]!r} is no value of /{protocol.name}: {error}") from None
    if len(data) > MAX_VALUE_BYTES:
        raise MultiaddrError(f"{text[:80]!r}: the value of /{protocol.name} is too long")
    return encode_varint(len(data)) + data if protocol.kind.size == VARIABLE else data


def _component_bytes(part: Component) -> bytes:
    size = encode_varint(len(part.data)) if BY_CODE[part.code].kind.size == VARIABLE else b""
    return encode_varint(part.code) + size + part.data
