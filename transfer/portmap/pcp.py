"""PCP (RFC 6887): the MAP request and its answer, byte for byte. For IPv6 a mapping is a hole in a firewall."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from transfer.errors import DecodeError
from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure


class PcpError(DecodeError):
    """A datagram is no answer of PCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcpGrant:
    """An answer to MAP, and the nonce of its request, by which it is known."""

    grant: Grant
    nonce: bytes


def encode_map_request(request: MapRequest, *, client: str, nonce: bytes, external_host: str | None = None) -> bytes:
    """A mapping, or with lifetime 0 its end (11.1).

    Args:
        client: the address of this host that the request is sent from, and that is mapped.
        nonce: 12 bytes; the same for the renewals of a mapping, or the gateway refuses.
        external_host: the outer address that would be best, as after a restart of the gateway.
    """
    unknown = "::" if ":" in client else "0.0.0.0"
    return b"".join(
        (
            _HEADER.pack(VERSION, MAP, 0, request.lifetime_s),
            _mapped(client),
            nonce,
            _MAP.pack(request.protocol.number, 0, 0, request.internal_port, request.external_port),
            _mapped(external_host or unknown),
        )
    )


def decode_answer(data: bytes) -> PcpGrant:
    """Reads an answer to MAP. Options are ignored.

    Raises:
        PortMapError: the gateway refused.
        PcpError: it is none.
    """
    if len(data) < 4 or len(data) > MAX_BYTES:
        raise PcpError(f"an answer of PCP has 24 to {MAX_BYTES} bytes, not {len(data)}")
    version, opcode, _, code = data[:4]
    if not opcode & RESPONSE:
        raise PcpError("it is a request")
    if version != VERSION:  # such as that of a gateway that speaks NAT-PMP only
        raise PortMapError("it does not speak PCP", failure=PortMapFailure.UNSUPPORTED, code=1)
    if opcode != RESPONSE | MAP:
        raise PcpError(f"{opcode} is no answer to MAP")
    if code:
        failure, text = RESULTS.get(code, (PortMapFailure.REFUSED, f"it refused, with code {code}"))
        raise PortMapError(text, failure=failure, code=code)
    if len(data) < 60:
        raise PcpError("the answer ends before the outer address")
    lifetime_s, epoch_s = _TIMES.unpack_from(data, 4)
    number, _, _, internal_port, external_port = _MAP.unpack_from(data, 36)
    protocol = _PROTOCOLS.get(number)
    if protocol is None:
        raise PcpError(f"the answer is about protocol {number}")
    if not internal_port or (lifetime_s and not external_port):
        raise PcpError("the answer maps port 0")
    outer = IPv6Address(data[44:60])
    grant = Grant(
        protocol=protocol,
        internal_port=internal_port,
        external_port=external_port,
        lifetime_s=lifetime_s,
        external_host=str(outer.ipv4_mapped or outer),
        epoch_s=epoch_s,
    )
    return PcpGrant(grant=grant, nonce=data[24:36])


def _mapped(host: str) -> bytes:
    """16 bytes: an IPv4 address as one of IPv6 (5)."""
    ip = ip_address(host.partition("%")[0])
    return ip.packed if isinstance(ip, IPv6Address) else bytes(10) + b"\xff\xff" + ip.packed


VERSION = 2
MAP = 1
RESPONSE = 0x80
MAX_BYTES = 1100  # RFC 6887, 7
NONCE_BYTES = 12
RESULTS = {
    1: (PortMapFailure.UNSUPPORTED, "it does not speak this version of PCP"),
    2: (PortMapFailure.REFUSED, "it allows no mappings (not authorised)"),
    3: (PortMapFailure.REFUSED, "it found the request malformed"),
    4: (PortMapFailure.UNSUPPORTED, "it does not support this request"),
    5: (PortMapFailure.UNSUPPORTED, "it does not support an option"),
    6: (PortMapFailure.REFUSED, "it found an option malformed"),
    7: (PortMapFailure.NO_ADDRESS, "it has no usable address outside (network failure)"),
    8: (PortMapFailure.NO_RESOURCES, "it has no resources, or no usable address outside"),
    9: (PortMapFailure.UNSUPPORTED, "it does not map this protocol"),
    10: (PortMapFailure.NO_RESOURCES, "this host has as many mappings as it allows"),
    11: (PortMapFailure.CONFLICT, "the port outside is taken"),
    12: (PortMapFailure.REFUSED, "there is another NAT between it and this host (address mismatch)"),
    13: (PortMapFailure.REFUSED, "it found too many peers in the request"),
}
"""What the codes of RFC 6887 (7.4) mean."""
_PROTOCOLS = {protocol.number: protocol for protocol in MappedProtocol}
_HEADER = struct.Struct(">BBHI")
_MAP = struct.Struct(">BBHHH")
_TIMES = struct.Struct(">II")
