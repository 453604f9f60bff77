"""UPnP-IGD (WANIPConnection and WANPPPConnection, versions 1 and 2): descriptions, calls, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.sax.saxutils import escape

from transfer.address import is_ip_address
from transfer.portmap.ssdp import is_url_of
from transfer.portmap.upnp_xml import UpnpError, parse_xml
from transfer.portmap.values import MapRequest, PortMapError, PortMapFailure


@dataclass(frozen=True, slots=True)
class WanService:
    """A service of a gateway that makes mappings: its type, and the URL that calls go to."""

    kind: str
    url: str


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A mapping that a gateway has: which host has it, and for how long."""

    client: str
    internal_port: int
    lifetime_s: int


def parse_description(data: bytes, *, url: str, host: str) -> tuple[WanService, ...]:
    """The services in the description of a device that can make mappings, as it lists them.

    Args:
        url: where it was read.
        host: that it was read from. A service elsewhere is left out.

    Raises:
        UpnpError: it is no description, or has no such service.
    """
    root = parse_xml(data)
    base = next((element.text for element in root.all_named("URLBase") if is_url_of(element.text, host)), url)
    found = []
    for service in root.all_named("service"):
        kind = service.text_of("serviceType")
        control = service.text_of("controlURL")
        if not kind.startswith(_KINDS) or not control:
            continue
        try:
            target = urljoin(base, control)
        except ValueError:
            continue
        if is_url_of(target, host):
            found.append(WanService(kind, target))
    if not found:
        raise UpnpError("its description has no service that makes mappings on its host")
    return tuple(found[:MAX_SERVICES])


def encode_call(kind: str, action: str, arguments: Mapping[str, str]) -> bytes:
    """The body of a call (SOAP 1.1)."""
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in arguments.items())
    return (
        '<?xml version="1.0"?>\r\n'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        ' s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
        f'<s:Body><u:{action} xmlns:u="{escape(kind, _QUOTE)}">{inside}</u:{action}></s:Body></s:Envelope>\r\n'
    ).encode()


def soap_headers(kind: str, action: str) -> dict[str, str]:
    """What a call has beside its body."""
    return {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{kind}#{action}"'}


def parse_answer(data: bytes, *, status: int, action: str) -> dict[str, str]:
    """What a call brought, by the names of the answer's arguments.

    Args:
        status: of HTTP.

    Raises:
        PortMapError: the gateway refused: see `FAULTS`.
        UpnpError: it answered nonsense.
    """
    if status not in (200, 500):  # 500 comes with the reason
        raise UpnpError(f"it answered HTTP {status}")
    root = parse_xml(data)
    for fault in root.all_named("UPnPError"):
        text = fault.text_of("errorCode")
        code = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
        failure, meaning = FAULTS.get(code, (PortMapFailure.REFUSED, f"it refused, with code {code}"))
        raise PortMapError(meaning, failure=failure, code=code)
    for answer in root.all_named(f"{action}Response"):
        return {child.name: child.text for child in answer.children}
    raise UpnpError(f"it did not answer {action}")


def mapping_arguments(request: MapRequest, *, client: str, description: str) -> dict[str, str]:
    """Of AddPortMapping."""
    return {
        **entry_arguments(request),
        "NewInternalPort": str(request.internal_port),
        "NewInternalClient": client,
        "NewEnabled": "1",
        "NewPortMappingDescription": description,
        "NewLeaseDuration": str(request.lifetime_s),
    }


def entry_arguments(request: MapRequest) -> dict[str, str]:
    """Of DeletePortMapping and GetSpecificPortMappingEntry."""
    return {
        "NewRemoteHost": "",
        "NewExternalPort": str(request.external_port),
        "NewProtocol": request.protocol.name,
    }


def read_outer_host(answer: Mapping[str, str]) -> str | None:
    """The address in an answer to GetExternalIPAddress; None where there is none yet."""
    host = answer.get("NewExternalIPAddress", "")
    return host if is_ip_address(host) and host != "0.0.0.0" else None


def read_entry(answer: Mapping[str, str]) -> MappingEntry:
    """The mapping in an answer to GetSpecificPortMappingEntry.

    Raises:
        UpnpError: there is none.
    """
    numbers = [answer.get(name, "") for name in ("NewInternalPort", "NewLeaseDuration")]
    if not all(text.isascii() and text.isdecimal() and len(text) <= 10 for text in numbers):
        raise UpnpError("its mapping has no numbers")
    port, lifetime_s = map(int, numbers)
    client = answer.get("NewInternalClient", "")
    if not 0 < port < 65536 or not is_ip_address(client):
        raise UpnpError("its mapping leads nowhere")
    return MappingEntry(client=client, internal_port=port, lifetime_s=lifetime_s)


FAULTS = {
    401: (PortMapFailure.UNSUPPORTED, "it does not support this call"),
    402: (PortMapFailure.REFUSED, "it found the call malformed"),
    501: (PortMapFailure.NO_ADDRESS, "it could not do it; many say so when they have no usable address outside"),
    602: (PortMapFailure.UNSUPPORTED, "it does not support this call"),
    606: (PortMapFailure.REFUSED, "it allows no mappings (not authorised)"),
    713: (PortMapFailure.UNSUPPORTED, "it has no mapping of that number"),
    714: (PortMapFailure.UNSUPPORTED, "it has no such mapping"),
    715: (PortMapFailure.REFUSED, "it wants the source address named"),
    716: (PortMapFailure.CONFLICT, "it wants another port outside"),
    718: (PortMapFailure.CONFLICT, "the port outside is taken"),
    724: (PortMapFailure.REFUSED, "it maps ports to the same number only"),
    725: (PortMapFailure.REFUSED, "it makes lasting mappings only"),
    726: (PortMapFailure.REFUSED, "it wants any source address"),
    728: (PortMapFailure.NO_RESOURCES, "its table of mappings is full"),
    729: (PortMapFailure.CONFLICT, "it has another kind of mapping there"),
}
"""What the codes of faults mean (WANIPConnection:2, section 2.4 and 2.5; UPnP Device Architecture, section 3)."""
NO_SUCH_ENTRY = (713, 714)
ONLY_PERMANENT = 725
MAX_SERVICES = 4
_KINDS = ("urn:schemas-upnp-org:service:WANIPConnection:", "urn:schemas-upnp-org:service:WANPPPConnection:")
_QUOTE = {'"': "&quot;"}
