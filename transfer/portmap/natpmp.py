"""NAT-PMP (RFC 6886): requests to a gateway and its answers, byte for byte."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from transfer.errors import DecodeError
from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure


class NatPmpError(DecodeError):
    """A datagram is no answer of NAT-PMP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterAddress:
    """The address that a gateway has outside."""

    host: str
    epoch_s: int


def encode_address_request() -> bytes:
    """Which address does the gateway have outside? (3.2)"""
    return bytes((VERSION, 0))


def encode_map_request(request: MapRequest) -> bytes:
    """A mapping, or with lifetime 0 its end (3.3, 3.4): then the gateway wants no port outside."""
    wanted = request.external_port if request.lifetime_s else 0
    opcode = _OPCODES[request.protocol]
    return _MAP_REQUEST.pack(VERSION, opcode, 0, request.internal_port, wanted, request.lifetime_s)


def decode_answer(data: bytes) -> Grant | OuterAddress:
    """Reads an answer. What follows the fields of RFC 6886 is ignored.

    Raises:
        PortMapError: the gateway refused.
        NatPmpError: it is none.
    """
    if len(data) < 4:
        raise NatPmpError(f"an answer of NAT-PMP has more than {len(data)} bytes")
    version, opcode, code = _HEAD.unpack_from(data)
    if opcode not in (128, 129, 130):
        raise NatPmpError(f"{opcode} is no answer of NAT-PMP")
    if version != VERSION:  # a PCP server says which version it has (RFC 6887, appendix A)
        raise PortMapError("it does not speak NAT-PMP", failure=PortMapFailure.UNSUPPORTED, code=1)
    if code:
        failure, text = RESULTS.get(code, (PortMapFailure.REFUSED, f"it refused, with code {code}"))
        raise PortMapError(text, failure=failure, code=code)
    if opcode == 128:
        if len(data) < 12:
            raise NatPmpError("the answer ends before the address")
        return OuterAddress(host=".".join(map(str, data[8:12])), epoch_s=int.from_bytes(data[4:8], "big"))
    if len(data) < 16:
        raise NatPmpError("the answer ends before the lifetime")
    epoch_s, internal_port, external_port, lifetime_s = _GRANT.unpack_from(data, 4)
    if not internal_port or (lifetime_s and not external_port):
        raise NatPmpError("the answer maps port 0")
    protocol = MappedProtocol.UDP if opcode == 129 else MappedProtocol.TCP
    return Grant(
        protocol=protocol,
        internal_port=internal_port,
        external_port=external_port,
        lifetime_s=lifetime_s,
        epoch_s=epoch_s,
    )


VERSION = 0
RESULTS = {
    1: (PortMapFailure.UNSUPPORTED, "it does not speak this version of NAT-PMP"),
    2: (PortMapFailure.REFUSED, "it allows no mappings (not authorised)"),
    3: (PortMapFailure.NO_ADDRESS, "it has no usable address outside (network failure)"),
    4: (PortMapFailure.NO_RESOURCES, "its table of mappings is full"),
    5: (PortMapFailure.UNSUPPORTED, "it does not support this request"),
}
"""What the codes of RFC 6886 (3.5) mean."""
_OPCODES = {MappedProtocol.UDP: 1, MappedProtocol.TCP: 2}
_HEAD = struct.Struct(">BBH")
_MAP_REQUEST = struct.Struct(">BBHHHI")
_GRANT = struct.Struct(">IHHI")
