"""PCP to the byte."""

from __future__ import annotations

import pytest

from transfer.portmap import pcp
from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure

NONCE = bytes(range(12))
UDP = MapRequest(protocol=MappedProtocol.UDP, internal_port=6881, external_port=7000, lifetime_s=3600)
ANSWER = bytes.fromhex(
    "02810000 00000e10 00000005 000000000000000000000000"
    "000102030405060708090a0b 11000000 1ae1 1b58 00000000000000000000ffff0b16212c".replace(" ", "")
)


def test_a_request_is_that_of_the_rfc() -> None:
    data = pcp.encode_map_request(UDP, client="192.168.1.2", nonce=NONCE)
    assert data.hex() == (
        "0201000000000e10"
        "00000000000000000000ffffc0a80102"
        "000102030405060708090a0b110000001ae11b58"
        "00000000000000000000ffff00000000"
    )


def test_over_ipv6_the_outer_address_is_unknown_too() -> None:
    data = pcp.encode_map_request(UDP, client="2001:db8::2", nonce=NONCE)
    assert data[8:24].hex() == "20010db8000000000000000000000002"
    assert data[44:60] == bytes(16)
    assert len(data) == 60


def test_an_answer_is_a_grant() -> None:
    assert pcp.decode_answer(ANSWER) == pcp.PcpGrant(
        grant=Grant(
            protocol=MappedProtocol.UDP,
            internal_port=6881,
            external_port=7000,
            lifetime_s=3600,
            external_host="11.22.33.44",
            epoch_s=5,
        ),
        nonce=NONCE,
    )
    assert pcp.decode_answer(ANSWER + bytes(40)) == pcp.decode_answer(ANSWER)  # options


@pytest.mark.parametrize(
    ("code", "failure"), [(8, PortMapFailure.NO_RESOURCES), (11, PortMapFailure.CONFLICT), (99, PortMapFailure.REFUSED)]
)
def test_a_refusal_says_why(code: int, failure: PortMapFailure) -> None:
    with pytest.raises(PortMapError) as caught:
        pcp.decode_answer(ANSWER[:3] + bytes([code]) + ANSWER[4:24])
    assert (caught.value.failure, caught.value.code) == (failure, code)


def test_a_gateway_that_speaks_nat_pmp_only_is_known() -> None:
    with pytest.raises(PortMapError) as caught:
        pcp.decode_answer(bytes.fromhex("0081000100000005"))
    assert caught.value.failure is PortMapFailure.UNSUPPORTED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ANSWER[:30],
        bytes([2, 1]) + ANSWER[2:],  # a request
        bytes([2, 0x82]) + ANSWER[2:],  # an answer to PEER
        ANSWER[:36] + b"\x01" + ANSWER[37:],  # about ICMP
        ANSWER[:40] + bytes(2) + ANSWER[42:],  # of port 0
        ANSWER[:42] + bytes(2) + ANSWER[44:],  # to port 0
        ANSWER + bytes(1100),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(pcp.PcpError):
        pcp.decode_answer(data)
