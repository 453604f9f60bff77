"""The handshake of the extension protocol (BEP 10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from bittorrent.errors import WireError
from transfer.address import Address, AddressError, packed_host
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError, BencodeLimits

if TYPE_CHECKING:
    from transfer.wire.bencode import Value

EXTENDED_HANDSHAKE = 0  # the extension number of the handshake itself
UT_METADATA = b"ut_metadata"  # BEP 9
UT_PEX = b"ut_pex"  # BEP 11
UPLOAD_ONLY = b"upload_only"  # BEP 21
LT_DONTHAVE = b"lt_donthave"  # BEP 54
UT_HOLEPUNCH = b"ut_holepunch"  # BEP 55
MAX_EXTENSIONS = 256  # as many as there are numbers for them
MAX_NAME_BYTES = 64  # names are remembered; those in use have 20 bytes at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedHandshake:
    """What one side tells the other; every part is optional.

    Attributes:
        extensions: name to the number under which **the sender of this handshake** wants to receive it; 0 switches
            the extension off. Later handshakes add to earlier ones.
        client: name and version for people.
        request_queue: how many outstanding requests the sender keeps (`reqq`); more are dropped silently.
        metadata_size: bytes of the info dictionary (BEP 9), None or absent when the sender does not have it.
        listen_port: the sender's TCP port.
        your_ip: the receiver's address as the sender sees it, 4 or 16 bytes.
        upload_only: the sender wants nothing: it has all, or all that it wants (BEP 21); None without a word.
        prefers_encryption: the sender would rather be called with encryption (`e`, which many clients send; no BEP has
            it); None without a word.
    """

    extensions: dict[bytes, int] = field(default_factory=dict)
    client: str = ""
    request_queue: int | None = None
    metadata_size: int | None = None
    listen_port: int | None = None
    your_ip: bytes | None = None
    upload_only: bool | None = None
    prefers_encryption: bool | None = None

    def to_bytes(self) -> bytes:
        value: dict[str, bencode.Encodable] = {"m": self.extensions}
        if self.client:
            value["v"] = self.client
        if self.request_queue is not None:
            value["reqq"] = self.request_queue
        if self.metadata_size is not None:
            value["metadata_size"] = self.metadata_size
        if self.listen_port:
            value["p"] = self.listen_port
        if self.your_ip is not None:
            value["yourip"] = self.your_ip
        if self.upload_only is not None:
            value["upload_only"] = int(self.upload_only)
        if self.prefers_encryption is not None:
            value["e"] = int(self.prefers_encryption)
        return bencode.encode(value)

    def updated(self, news: ExtendedHandshake) -> ExtendedHandshake:
        """This one with what a later one adds or changes (BEP 10: `m` is additive)."""
        return ExtendedHandshake(
            extensions=dict(list({**self.extensions, **news.extensions}.items())[:MAX_EXTENSIONS]),
            client=news.client or self.client,
            request_queue=news.request_queue or self.request_queue,
            metadata_size=news.metadata_size or self.metadata_size,
            listen_port=news.listen_port or self.listen_port,
            your_ip=news.your_ip or self.your_ip,
            upload_only=self.upload_only if news.upload_only is None else news.upload_only,
            prefers_encryption=(
                self.prefers_encryption if news.prefers_encryption is None else news.prefers_encryption
            ),
        )

    @classmethod
    def from_bytes(cls, payload: bytes) -> ExtendedHandshake:
        """Wrong types of single entries count as absent: deployed clients put many things here.

        Raises:
            WireError: not a bencoded dictionary within the limits.
        """
        try:
            value, _ = bencode.decode_prefix(payload, limits=_LIMITS)
        except BencodeError as error:
            raise WireError(f"the peer's extension handshake is {error}") from None
        if not isinstance(value, dict):
            raise WireError("the peer's extension handshake is not a dictionary")
        names = value.get(b"m")
        client = value.get(b"v")
        your_ip = value.get(b"yourip")
        upload_only, encryption = value.get(b"upload_only"), value.get(b"e")
        return cls(
            extensions={
                name: number
                for name, number in (names.items() if isinstance(names, dict) else ())
                if isinstance(number, int) and 0 <= number <= 255 and len(name) <= MAX_NAME_BYTES
            },
            client=client[:64].decode(errors="replace") if isinstance(client, bytes) else "",
            request_queue=_positive(value.get(b"reqq"), 1 << 31),
            metadata_size=_positive(value.get(b"metadata_size"), 1 << 31),
            listen_port=_positive(value.get(b"p"), 65535),
            your_ip=your_ip if isinstance(your_ip, bytes) and len(your_ip) in (4, 16) else None,
            upload_only=upload_only != 0 if isinstance(upload_only, int) else None,
            prefers_encryption=encryption != 0 if isinstance(encryption, int) else None,
        )


def packed_ip(host: str) -> bytes | None:
    """`yourip` for an address, None for one that is not an IP address (an in-memory transport, say)."""
    try:
        return packed_host(host)
    except AddressError:
        return None


def unpacked_ip(packed: bytes) -> str:
    """The inverse of `packed_ip`; an IPv4 address in IPv6 clothes is shown as what it is."""
    return Address.from_socket((str(ip_address(packed)), 0)).host


def _positive(value: Value | None, largest: int) -> int | None:
    return value if isinstance(value, int) and 0 < value <= largest else None


_LIMITS = BencodeLimits(size_bytes=128 << 10, depth=8, tokens=2000)
