"""Names in multiaddrs into IP addresses: `dns`, `dns4` and `dns6` by the system, `dnsaddr` by TXT records.

A `dnsaddr` leads to multiaddrs, which may hold names again: how deep, and to how many, is bounded (specs/addressing).
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence

from transfer.address import Address
from transfer.aio.resolver import resolve
from transfer.errors import TransferError
from transfer.host.route import Carrier, multiaddr_of
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr

MAX_DEPTH = 4
MAX_FOUND = 64
MAX_QUESTIONS = 32
TXT_TIMEOUT_S = 5.0
FAMILIES = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}

LookUpText = Callable[[str], Awaitable[Sequence[str]]]
"""The TXT records of a name. It raises OSError when there is no answer."""


class NameLookUpError(TransferError, OSError):
    """A name in an address led to nothing."""


async def expand(address: Multiaddr, *, look_up_text: LookUpText | None = None) -> list[Multiaddr]:
    """The addresses behind an address: itself, if there is no name in it.

    Raises:
        OSError: the name is not known, or no server answers.
    """
    questions = 0
    found: dict[Multiaddr, None] = {}
    waiting = [(address, 0)]
    failure: OSError | None = None
    while waiting and len(found) < MAX_FOUND:
        current, depth = waiting.pop(0)
        first = next(iter(current))
        if first.name not in ("dnsaddr", *FAMILIES):
            found[current] = None
            continue
        questions += 1
        if questions > MAX_QUESTIONS or depth > MAX_DEPTH:
            failure = NameLookUpError(f"{address} leads from name to name without end")
            break
        try:
            if first.name == "dnsaddr":
                texts = await (look_up_text or system_text)(f"_dnsaddr.{first.value}")
                waiting += [(each, depth + 1) for each in _named(texts, current)]
            else:
                waiting += [(each, depth + 1) for each in await _resolved(current)]
        except OSError as error:
            failure = error
    if not found:
        raise failure or NameLookUpError(f"{address} leads to no address")
    return list(found)


def _named(texts: Sequence[str], address: Multiaddr) -> list[Multiaddr]:
    """What `dnsaddr=` records say, if it leads to the peer that is meant."""
    named = []
    for text in texts[:MAX_FOUND]:
        if text.startswith("dnsaddr="):
            try:
                each = Multiaddr.parse(text.removeprefix("dnsaddr="))
            except MultiaddrError:
                continue
            if address.peer_id is None or each.peer_id == address.peer_id:
                named.append(each)
    return named


async def _resolved(address: Multiaddr) -> list[Multiaddr]:
    parts = list(address)
    port = int(parts[1].value) if len(parts) > 1 and parts[1].name == "tcp" else 0
    infos = await resolve(parts[0].value, port, purpose="libp2p", family=FAMILIES[parts[0].name])
    behind = str(address).removeprefix(f"/{parts[0].name}/{parts[0].value}/tcp/{port}")
    named = []
    for *_, name in infos:
        reached = multiaddr_of(Carrier.TCP, Address(str(name[0]), port))
        named.append(reached / behind if behind else reached)
    return named


async def system_text(name: str) -> Sequence[str]:
    """The TXT records of a name, by the resolvers of the system.

    Raises:
        OSError: no answer, or no library to ask with.
    """
    try:
        import dns.asyncresolver
        import dns.exception
    except ImportError:
        raise NameLookUpError(
            "names of /dnsaddr need the library dnspython: pip install 'kademlia-core[dns]'"
        ) from None
    try:
        answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=TXT_TIMEOUT_S)
    except dns.exception.DNSException as error:
        raise NameLookUpError(f"{name}: {error}") from None
    return ["".join(part.decode(errors="replace") for part in record.strings) for record in answer]
