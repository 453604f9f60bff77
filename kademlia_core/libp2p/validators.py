"""What makes a value right for its key, and the better of two: by namespace, `/pk`, `/ipns` and one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kademlia_core.libp2p import ipns
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.ipns import IpnsRecord
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PublicKey
from transfer.identity.peer_id import PeerId

if TYPE_CHECKING:
    from collections.abc import Mapping


class Validator(Protocol):
    """The rules of one namespace. Called with what strangers send: it must cost little, and raise nothing else."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        """Accepts a value for a key, at a time in seconds since 1970.

        Raises:
            RecordError: it does not belong there, or no longer.
        """
        ...

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        """Whether a valid `value` is to be preferred to another valid one. Never both ways round."""
        ...


class PublicKeyValidator:
    """`/pk/` and a peer id: the public key of that peer. There is one right value."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        name = _peer_id_in(key, "pk")
        try:
            public_key = PublicKey.from_bytes(value)
        except IdentityError as error:
            raise RecordError(f"that is not the public key of {name}: {error}") from None
        if not name.matches(public_key):
            raise RecordError(f"that is the public key of {public_key.peer_id}, not of {name}")

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return False


class IpnsValidator:
    """`/ipns/` and a peer id: a record that the key of that peer has signed. The newest counts."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        if not IpnsRecord.open(_peer_id_in(key, ipns.NAMESPACE), value).is_valid(wall_s=wall_s):
            raise RecordError("the IPNS record has expired")

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        """Of two that agree in sequence and validity the one with the greater bytes, so that all choose the same."""
        name = _peer_id_in(key, ipns.NAMESPACE)
        try:
            one, two = IpnsRecord.open(name, value), IpnsRecord.open(name, other)
        except RecordError:
            return False
        if one.replaces(two) or two.replaces(one):
            return one.replaces(two)
        return value > other


class Validators:
    """The rules of a network: a validator for each namespace. Keys of other namespaces are refused."""

    def __init__(self, own: Mapping[str, Validator] | None = None) -> None:
        """The two namespaces of the public network, and one's own.

        Raises:
            ValueError: a namespace is empty or has a slash in it.
        """
        self._by_namespace: dict[bytes, Validator] = {b"pk": PublicKeyValidator(), b"ipns": IpnsValidator()}
        for name, validator in (own or {}).items():
            if not name or "/" in name:
                raise ValueError(f"{name!r} is no namespace: it is a word without slashes")
            self._by_namespace[name.encode()] = validator

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        """Accepts a value for a key.

        Raises:
            RecordError: the value does not belong there, or there is no such namespace.
        """
        self._for(key).validate(key, value, wall_s=wall_s)

    def check_key(self, key: bytes) -> None:
        """Accepts a key.

        Raises:
            RecordError: its namespace is not known.
        """
        self._for(key)

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        """Whether `value` shall replace `other`."""
        return value != other and self._for(key).is_better(key, value, other)

    def _for(self, key: bytes) -> Validator:
        parts = key.split(b"/", 2)
        validator = self._by_namespace.get(parts[1]) if len(parts) == 3 and not parts[0] and parts[2] else None
        if validator is None:
            raise RecordError(f"no validator is known for the key {key[:40]!r}: it begins with /namespace/")
        return validator


def public_key_key(peer_id: PeerId) -> bytes:
    """The key under which the public key of a peer is kept."""
    return b"/pk/" + peer_id.multihash


def _peer_id_in(key: bytes, namespace: str) -> PeerId:
    try:
        return PeerId(key.removeprefix(b"/%s/" % namespace.encode()))
    except IdentityError as error:
        raise RecordError(f"a key in /{namespace} ends with a peer id: {error}") from None
