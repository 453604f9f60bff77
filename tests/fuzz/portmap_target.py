"""Fuzzing what gateways say: NAT-PMP and PCP datagrams, answers to searches, descriptions and calls of UPnP."""

from __future__ import annotations

import re

from tests.scripted_gateway import DESCRIPTION
from transfer.errors import DecodeError
from transfer.portmap import natpmp, pcp, ssdp, upnp
from transfer.portmap.config import PortMapConfig
from transfer.portmap.exchange import GatewayExchange
from transfer.portmap.values import Grant, PortMapError

HOST = "192.168.1.1"
URL = "http://192.168.1.1:5000/root.xml"


def run_natpmp(data: bytes) -> str:
    """One answer of NAT-PMP, alone and as the answer to a request."""
    try:
        answer = natpmp.decode_answer(data)
    except (natpmp.NatPmpError, PortMapError) as error:
        outcome = _refused(error)
    else:
        if isinstance(answer, Grant):
            _check(answer)
            outcome = f"grant {answer.protocol} {not answer.lifetime_s}"
        else:
            assert len(data) >= 12
            outcome = "address"
    exchange = GatewayExchange(b"?", natpmp.decode_answer, config=PortMapConfig(), now=0.0)
    exchange.receive_datagram(data)
    exchange.handle_timer(now=9.0)
    assert exchange.is_over
    assert (exchange.answer is None) != (exchange.error is None)
    return outcome


def run_pcp(data: bytes) -> str:
    """One answer of PCP."""
    try:
        answer = pcp.decode_answer(data)
    except (pcp.PcpError, PortMapError) as error:
        return _refused(error)
    _check(answer.grant)
    assert len(answer.nonce) == 12
    assert answer.grant.external_host
    return f"grant {answer.grant.protocol} {not answer.grant.lifetime_s} {':' in answer.grant.external_host}"


def run_upnp(data: bytes) -> str:
    """An answer to a search, a description, or the answer to a call: whatever comes, it is read as all three."""
    outcomes = []
    try:
        url = ssdp.decode_answer(data, source=HOST)
        assert ssdp.is_url_of(url, HOST)
        outcomes.append("found")
    except ssdp.SsdpError as error:
        outcomes.append(_refused(error))
    try:
        services = upnp.parse_description(data, url=URL, host=HOST)
        assert 0 < len(services) <= upnp.MAX_SERVICES
        assert all(ssdp.is_url_of(service.url, HOST) for service in services)
        outcomes.append(f"{len(services)} services")
    except DecodeError as error:
        outcomes.append(_refused(error))
    for action in ("GetExternalIPAddress", "GetSpecificPortMappingEntry"):
        try:
            answer = upnp.parse_answer(data, status=200, action=action)
            outcomes.append(f"answer {upnp.read_outer_host(answer) is None}")
            entry = upnp.read_entry(answer)
            assert 0 < entry.internal_port < 65536
            outcomes.append("entry")
        except (DecodeError, PortMapError) as error:
            outcomes.append(_refused(error))
    return "; ".join(outcomes)


def natpmp_seeds() -> list[bytes]:
    texts = ["00800000000000090b16212c", "00820000000000011ae11b5800000e10", "00810000000000011ae11b5800000000"]
    return [bytes.fromhex(text) for text in [*texts, "02800001", "00820002000000011ae1000000000000"]]


def pcp_seeds() -> list[bytes]:
    head, nonce = "0281000000000e1000000005" + "00" * 12, "000102030405060708090a0b"
    grant = bytes.fromhex(head + nonce + "110000001ae11b5800000000000000000000ffff0b16212c")
    return [grant, grant[:36] + b"\x06" + grant[37:], grant[:44] + bytes(range(16)), bytes.fromhex("0081000100000005")]


def upnp_seeds() -> list[bytes]:
    kind = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
    entry = "<NewInternalPort>1</NewInternalPort><NewInternalClient>1.2.3.4</NewInternalClient>"
    entry += "<NewLeaseDuration>0</NewLeaseDuration>"
    return [
        f"HTTP/1.1 200 OK\r\nST: {kind}\r\nLOCATION: {URL}\r\n\r\n".encode(),
        DESCRIPTION.encode(),
        (
            b"<e><GetExternalIPAddressResponse><NewExternalIPAddress>1.2.3.4</NewExternalIPAddress>"
            b"</GetExternalIPAddressResponse></e>"
        ),
        f"<e><GetSpecificPortMappingEntryResponse>{entry}</GetSpecificPortMappingEntryResponse></e>".encode(),
        b"<e><UPnPError><errorCode>718</errorCode></UPnPError></e>",
        b'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    ]


def _check(grant: Grant) -> None:
    assert 0 < grant.internal_port < 65536
    assert 0 <= grant.external_port < 65536
    assert grant.external_port or not grant.lifetime_s


def _refused(error: Exception) -> str:
    text = str(error)
    assert "\n" not in text, "an error is one line"
    return "refused: " + re.sub(r"[0-9]+|'.*'|b'.*'|\".*\"", "#", text)[:80]
