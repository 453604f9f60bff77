"""NAT-PMP to the byte."""

from __future__ import annotations

import pytest

from transfer.portmap import natpmp
from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure

TCP = MapRequest(protocol=MappedProtocol.TCP, internal_port=6881, external_port=7000, lifetime_s=3600)


def test_requests_are_those_of_the_rfc() -> None:
    assert natpmp.encode_address_request() == b"\x00\x00"
    assert natpmp.encode_map_request(TCP).hex() == "000200001ae11b5800000e10"
    end = MapRequest(protocol=MappedProtocol.UDP, internal_port=6881, external_port=7000, lifetime_s=0)
    assert natpmp.encode_map_request(end).hex() == "000100001ae1000000000000"


def test_an_answer_is_a_grant() -> None:
    assert natpmp.decode_answer(bytes.fromhex("0082000000000001 1ae11b58 00000e10".replace(" ", ""))) == Grant(
        protocol=MappedProtocol.TCP, internal_port=6881, external_port=7000, lifetime_s=3600, epoch_s=1
    )


def test_an_answer_is_an_address() -> None:
    answer = natpmp.decode_answer(bytes.fromhex("0080000000000009 0b16212c".replace(" ", "")))
    assert answer == natpmp.OuterAddress(host="11.22.33.44", epoch_s=9)


@pytest.mark.parametrize(
    ("data", "failure", "code"),
    [
        ("0082000200000001 1ae1000000000000", PortMapFailure.REFUSED, 2),
        ("00800003", PortMapFailure.NO_ADDRESS, 3),
        ("00810004000000011ae1000000000000", PortMapFailure.NO_RESOURCES, 4),
        ("0082ffff", PortMapFailure.REFUSED, 0xFFFF),
        ("02800001", PortMapFailure.UNSUPPORTED, 1),  # a PCP server
    ],
)
def test_a_refusal_says_why(data: str, failure: PortMapFailure, code: int) -> None:
    with pytest.raises(PortMapError) as caught:
        natpmp.decode_answer(bytes.fromhex(data))
    assert (caught.value.failure, caught.value.code) == (failure, code)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "0080",
        "00000000",  # a request
        "008000000000000101",
        "00820000000000011ae11b58",
        "00820000000000010000 1b58 00000e10",  # of port 0
        "0082000000000001 1ae1 0000 00000e10",  # to port 0
        "00ff0000000000000000000000000000",
    ],
)
def test_what_is_no_answer_is_refused(data: str) -> None:
    with pytest.raises(natpmp.NatPmpError):
        natpmp.decode_answer(bytes.fromhex(data))
