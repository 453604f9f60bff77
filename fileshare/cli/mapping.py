"""What is said of the mapping at the router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fileshare.cli.output import Output
from fileshare.text import one_line
from transfer import Address

if TYPE_CHECKING:
    from fileshare.service.events import PortMappingChanged
    from transfer import PortMapStatus


def report_mapping(output: Output, event: PortMappingChanged) -> None:
    """One line for people where it is good to know, the "port_mapping" event for programs."""
    mapping = event.mapping
    if mapping.method is not None:
        output.say(one_line(mapping_text(mapping)))
    output.event("port_mapping", **mapping_fields(mapping), port=event.port)


def mapping_text(mapping: PortMapStatus) -> str:
    """For people."""
    if not mapping.is_settled:
        return "the router has not answered yet"
    if mapping.method is None:
        reasons = "; ".join(f"{method}: {reason}" for method, reason in mapping.failures)
        who = f"the router {mapping.gateway}" if mapping.gateway is not None else "the router"
        return f"{who} does not let others in ({reasons})"
    place = mapping.external or f"port {mapping.tcp_port} of its address outside"
    udp = " over TCP and UDP" if mapping.udp_port == mapping.tcp_port else " over TCP"
    if mapping.udp_port not in (None, mapping.tcp_port):
        udp += f", and UDP port {mapping.udp_port}"
    text = f"the router lets others in: {place} leads here{udp} ({mapping.method})"
    if mapping.is_behind_another_nat:
        text += f", but {mapping.external_host} is no public address: there is another NAT outside the router"
    return text


def mapping_fields(mapping: PortMapStatus) -> dict[str, object]:
    """For programs."""
    udp = Address(mapping.external_host, mapping.udp_port) if mapping.external_host and mapping.udp_port else None
    return {
        "method": mapping.method,
        "gateway": mapping.gateway,
        "local_host": mapping.local_host,
        "external": mapping.external,
        "external_udp": udp,
        "tcp_port": mapping.tcp_port,
        "udp_port": mapping.udp_port,
        "is_behind_another_nat": mapping.is_behind_another_nat,
        "failures": {method.value: reason for method, reason in mapping.failures},
    }
