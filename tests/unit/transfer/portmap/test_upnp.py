"""UPnP: searches, descriptions and calls, and what gateways make of them."""

from __future__ import annotations

import pytest

from tests.scripted_gateway import DESCRIPTION
from transfer.portmap import ssdp, upnp
from transfer.portmap.upnp_xml import MAX_DEPTH, MAX_ELEMENTS, UpnpError, parse_xml
from transfer.portmap.values import MappedProtocol, MapRequest, PortMapError, PortMapFailure

HOST = "192.168.1.1"
URL = "http://192.168.1.1:5000/root.xml"
ANSWER = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nst: {st}\r\nLocation: {url}\r\n\r\n"
IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:2"
REQUEST = MapRequest(protocol=MappedProtocol.TCP, internal_port=6881, external_port=7000, lifetime_s=3600)


def answer(st: str = IGD, url: str = URL) -> bytes:
    return ANSWER.format(st=st, url=url).encode()


def test_a_search_asks_for_a_target() -> None:
    data = ssdp.encode_search(IGD, ssdp.GROUP)
    assert data.startswith(b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n")
    assert f"ST: {IGD}\r\n".encode() in data
    assert data.endswith(b"\r\n\r\n")


def test_a_gateway_says_where_its_description_is() -> None:
    assert ssdp.decode_answer(answer(), source=HOST) == URL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"NOTIFY * HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 404 x\r\n\r\n",
        answer(st="urn:schemas-upnp-org:device:MediaServer:1"),
        answer(url=""),
        answer(url="http://192.168.1.77/root.xml"),  # somebody else
        answer(url="http://user@192.168.1.1/root.xml"),
        answer(url="https://192.168.1.1/root.xml"),
        answer(url="file:///etc/passwd"),
        answer(url="http://router.lan/root.xml"),
        answer(url="http://192.168.1.1:99999/"),
        answer(url="http://192.168.1.1:0/"),
        answer(url="http://[::1/"),
        answer(url=f"http://192.168.1.1/{'x' * 2000}"),
        bytes(range(256)),
    ],
)
def test_what_leads_elsewhere_is_not_followed(data: bytes) -> None:
    with pytest.raises(ssdp.SsdpError):
        ssdp.decode_answer(data, source=HOST)


def test_a_description_has_services() -> None:
    found = upnp.parse_description(DESCRIPTION.encode(), url=URL, host=HOST)
    assert found == (
        upnp.WanService("urn:schemas-upnp-org:service:WANIPConnection:1", "http://192.168.1.1:5000/control"),
    )


def test_the_base_of_a_description_counts() -> None:
    text = DESCRIPTION.replace("<device>", "<URLBase>http://192.168.1.1:80/x/</URLBase><device>", 1)
    (found,) = upnp.parse_description(text.encode(), url=URL, host=HOST)
    assert found.url == "http://192.168.1.1:80/control"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<root>",
        "<root/>",
        "garbage",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><root>&a;</root>',
        DESCRIPTION.replace("/control", "http://192.168.1.77/control"),
        DESCRIPTION.replace("/control", "http://[/"),
        DESCRIPTION.replace("/control", ""),
        '<?xml version="1.0" encoding="no-such"?><root/>',
    ],
)
def test_a_description_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UpnpError) as caught:
        upnp.parse_description(text.encode(), url=URL, host=HOST)
    assert "\n" not in str(caught.value)


def test_xml_has_bounds() -> None:
    assert parse_xml(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH).name == "a"
    with pytest.raises(UpnpError):
        parse_xml(b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1))
    with pytest.raises(UpnpError):
        parse_xml(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")


def test_a_call_is_escaped() -> None:
    body = upnp.encode_call("kind", "AddPortMapping", {"NewPortMappingDescription": "<&>"})
    assert b"<NewPortMappingDescription>&lt;&amp;&gt;</NewPortMappingDescription>" in body
    (called,) = parse_xml(body).all_named("AddPortMapping")
    assert called.text_of("NewPortMappingDescription") == "<&>"


def test_a_call_says_what_is_mapped() -> None:
    arguments = upnp.mapping_arguments(REQUEST, client="192.168.1.2", description="x")
    assert arguments["NewExternalPort"] == "7000"
    assert arguments["NewInternalPort"] == "6881"
    assert arguments["NewInternalClient"] == "192.168.1.2"
    assert arguments["NewProtocol"] == "TCP"
    assert arguments["NewLeaseDuration"] == "3600"


def test_an_answer_has_arguments() -> None:
    body = b'<e><b><u:GetExternalIPAddressResponse xmlns:u="k"><NewExternalIPAddress> 1.2.3.4 '
    body += b"</NewExternalIPAddress></u:GetExternalIPAddressResponse></b></e>"
    found = upnp.parse_answer(body, status=200, action="GetExternalIPAddress")
    assert upnp.read_outer_host(found) == "1.2.3.4"
    assert upnp.read_outer_host({}) is None
    assert upnp.read_outer_host({"NewExternalIPAddress": "0.0.0.0"}) is None
    assert upnp.read_outer_host({"NewExternalIPAddress": "http://evil"}) is None


@pytest.mark.parametrize(
    ("code", "failure", "number"),
    [
        ("718", PortMapFailure.CONFLICT, 718),
        ("716", PortMapFailure.CONFLICT, 716),
        ("606", PortMapFailure.REFUSED, 606),
        ("501", PortMapFailure.NO_ADDRESS, 501),
        ("9999", PortMapFailure.REFUSED, 9999),
        ("x", PortMapFailure.REFUSED, 0),
        ("9" * 5000, PortMapFailure.REFUSED, 0),
    ],
)
def test_a_fault_says_why(code: str, failure: PortMapFailure, number: int) -> None:
    body = f"<e><UPnPError><errorCode>{code}</errorCode></UPnPError></e>".encode()
    with pytest.raises(PortMapError) as caught:
        upnp.parse_answer(body, status=500, action="AddPortMapping")
    assert (caught.value.failure, caught.value.code) == (failure, number)


@pytest.mark.parametrize(("status", "body"), [(404, b"<a/>"), (200, b"<a/>"), (500, b"oops"), (200, b"")])
def test_an_answer_that_makes_no_sense_is_refused(status: int, body: bytes) -> None:
    with pytest.raises(UpnpError):
        upnp.parse_answer(body, status=status, action="AddPortMapping")


def test_an_entry_says_who_has_a_port() -> None:
    good = {"NewInternalPort": "6881", "NewInternalClient": "192.168.1.3", "NewLeaseDuration": "0"}
    assert upnp.read_entry(good) == upnp.MappingEntry(client="192.168.1.3", internal_port=6881, lifetime_s=0)
    for name, text in [("NewInternalPort", "0"), ("NewInternalPort", "-1"), ("NewInternalClient", "me")]:
        with pytest.raises(UpnpError):
            upnp.read_entry({**good, name: text})
