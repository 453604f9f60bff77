"""IPNS records: where a name, which is a peer id, leads for now, signed by the key of the name.

Source: the IPNS record specification (specs.ipfs.tech/ipns/ipns-record). What counts is the signed map of the second
version; the fields of the first are written for old readers if wanted, and must say the same when they are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kademlia_core.libp2p import dag_cbor
from kademlia_core.libp2p.errors import RecordError
from kademlia_core.libp2p.timestamps import NANOSECONDS, format_timestamp, parse_timestamp
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PublicKey
from transfer.identity.peer_id import PeerId
from transfer.wire import protobuf

if TYPE_CHECKING:
    from transfer.identity.keys import PrivateKey

NAMESPACE = "ipns"
MAX_RECORD_BYTES = 10 << 10
SIGNATURE_PREFIX = b"ipns-signature:"
VALID_UNTIL = 0  # the one kind of validity there is: an end
DEFAULT_LIFETIME_S = 48 * 3600.0
DEFAULT_TTL_S = 300.0


@dataclass(frozen=True, slots=True)
class IpnsRecord:
    """What a name says. One that was read with `open` is signed by the name's key; whether it is still valid, ask.

    Attributes:
        value: a path, `/ipfs/…` or `/ipns/…`.
        sequence: a record with a higher one replaces the others.
        validity: its end, RFC 3339, as it was signed.
        ttl_s: how long it may be served without looking for a newer one.
        valid_until_ns: `validity` in nanoseconds since 1970.
    """

    value: bytes
    sequence: int
    validity: bytes
    ttl_s: float
    valid_until_ns: int

    @classmethod
    def open(cls, name: PeerId, data: bytes) -> IpnsRecord:
        """Reads a record and verifies that the key of `name` has signed it.

        Raises:
            RecordError: any of it is not so.
        """
        if len(data) > MAX_RECORD_BYTES:
            raise RecordError(f"an IPNS record has at most {MAX_RECORD_BYTES} bytes, not {len(data)}")
        try:
            found = protobuf.decode(_ENTRY, data, max_bytes=MAX_RECORD_BYTES)
        except protobuf.ProtobufError as error:
            raise RecordError(f"that is no IPNS record: {error}") from None
        if not found.signatureV2 or not found.data:
            raise RecordError("the IPNS record has no signature of version 2: it has to be published anew")
        key = _key_of(name, found.pubKey)
        if not key.verify(SIGNATURE_PREFIX + found.data, found.signatureV2):
            raise RecordError(f"the IPNS record is not signed by {name}")
        record, signed = _signed(found.data)
        if found.value or found.signatureV1:
            _check_agreement(found, signed)
        return record

    def is_valid(self, *, wall_s: float) -> bool:
        """Whether its end has not come yet."""
        return wall_s * NANOSECONDS < self.valid_until_ns

    def replaces(self, other: IpnsRecord) -> bool:
        """Whether it is to be preferred: a higher sequence, or the same and a longer life."""
        return (self.sequence, self.valid_until_ns) > (other.sequence, other.valid_until_ns)


def create_ipns_record(
    key: PrivateKey,
    value: str | bytes,
    *,
    sequence: int,
    wall_s: float,
    lifetime_s: float = DEFAULT_LIFETIME_S,
    ttl_s: float = DEFAULT_TTL_S,
    with_version_1: bool = True,
) -> bytes:
    """A record of the name that is the peer id of `key`.

    Args:
        value: a path.
        sequence: higher than that of the record before, if `value` is another.
        wall_s: seconds since 1970; the end of the record is counted in milliseconds.
        with_version_1: for readers of before 2022; they cost some 140 bytes.

    Raises:
        ValueError: the record would be too long, or a number is negative.
    """
    path = value.encode() if isinstance(value, str) else value
    validity = format_timestamp(round((wall_s + lifetime_s) * 1000) * (NANOSECONDS // 1000)).encode()
    ttl_ns = int(ttl_s * NANOSECONDS)
    data = dag_cbor.encode_map(
        {"Value": path, "Validity": validity, "ValidityType": VALID_UNTIL, "Sequence": sequence, "TTL": ttl_ns}
    )
    fields: dict[str, Any] = {}
    if with_version_1:
        signature = key.sign(path + validity + b"EOL")
        fields = {
            "value": path,
            "signatureV1": signature,
            "validityType": VALID_UNTIL,
            "validity": validity,
            "sequence": sequence,
            "ttl": ttl_ns,
        }
    name = key.peer_id
    if name.public_key is None:
        fields["pubKey"] = key.public_key.to_bytes()
    record = protobuf.encode(_ENTRY(signatureV2=key.sign(SIGNATURE_PREFIX + data), data=data, **fields))
    if len(record) > MAX_RECORD_BYTES:
        raise ValueError(f"an IPNS record has at most {MAX_RECORD_BYTES} bytes, not {len(record)}; shorten the path")
    return record


def ipns_key(name: PeerId) -> bytes:
    """The key under which the record of a name is kept."""
    return b"/ipns/" + name.multihash


def _key_of(name: PeerId, data: bytes) -> PublicKey:
    try:
        key = PublicKey.from_bytes(data) if data else name.public_key
    except IdentityError as error:
        raise RecordError(f"the key of the IPNS record cannot be used: {error}") from None
    if key is None:
        raise RecordError(f"the IPNS record does not bring the key of {name}, and its name does not hold it")
    if not name.matches(key):
        raise RecordError(f"the key in the IPNS record is that of {key.peer_id}, not of {name}")
    return key


def _signed(data: bytes) -> tuple[IpnsRecord, dict[str, dag_cbor.Value]]:
    values = dag_cbor.decode_map(data)
    value, validity = values.get("Value"), values.get("Validity")
    sequence, ttl, kind = values.get("Sequence"), values.get("TTL"), values.get("ValidityType")
    if not isinstance(value, bytes) or not isinstance(validity, bytes) or not isinstance(sequence, int):
        raise RecordError("the IPNS record lacks its value, its validity or its sequence")
    if kind != VALID_UNTIL:
        raise RecordError("the IPNS record is valid in a way that is not known here")
    if not isinstance(ttl, int):
        raise RecordError("the IPNS record lacks its TTL")
    return IpnsRecord(value, sequence, validity, ttl / NANOSECONDS, parse_timestamp(validity)), values


def _check_agreement(found: Any, signed: dict[str, dag_cbor.Value]) -> None:
    said = (found.value, found.validity, found.validityType, found.sequence, found.ttl)
    meant = tuple(signed[name] for name in ("Value", "Validity", "ValidityType", "Sequence", "TTL"))
    if said != meant:
        raise RecordError("the two versions of the IPNS record disagree")


_ENTRY = protobuf.message_types(
    "kad.libp2p.ipns",
    IpnsEntry={
        "value": (1, "optional bytes"),
        "signatureV1": (2, "optional bytes"),
        "validityType": (3, "optional int32"),
        "validity": (4, "optional bytes"),
        "sequence": (5, "optional uint64"),
        "ttl": (6, "optional uint64"),
        "pubKey": (7, "optional bytes"),
        "signatureV2": (8, "optional bytes"),
        "data": (9, "optional bytes"),
    },
)["IpnsEntry"]
