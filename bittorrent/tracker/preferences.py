"""What the name of a tracker's host says about its trackers (BEP 34): on which ports they are, if there are any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit


@dataclass(frozen=True, slots=True)
class TrackerPreferences:
    """The record of a host.

    Attributes:
        ports: of its trackers, best first, each with "tcp" or "udp"; none at all: it has no tracker.
    """

    ports: tuple[tuple[str, int], ...]


def parse_records(records: Iterable[bytes]) -> TrackerPreferences | None:
    """What the TXT records of a name say; None where none of them is about trackers.

    Words are told apart by case; unknown ones are ignored. "DENY ALL" is two of those: a record without ports denies.
    Of several records, which the BEP does not know, the first counts.
    """
    for record in records:
        words = record[:MAX_RECORD_BYTES].decode("latin-1").split()
        if not words or words[0] != "BITTORRENT":
            continue
        ports: dict[tuple[str, int], None] = {}
        for word in words[1:]:
            found = _PORT.fullmatch(word)
            if found is not None and 0 < int(found[2]) < 65536:
                ports[found[1].lower(), int(found[2])] = None
        return TrackerPreferences(tuple(ports)[:MAX_PORTS])
    return None


def preferred_urls(url: str, preferences: TrackerPreferences) -> tuple[str, ...]:
    """Where to ask instead of at `url`, in this order; nowhere if the host has no tracker.

    Path and query stay, as passkeys are there. One of `https` stays encrypted: whoever can forge an answer of a name
    server must not be able to undress it, so that it is asked over TCP only.
    """
    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "https" else "http"
    found = []
    for protocol, port in preferences.ports:
        if protocol == "tcp":
            found.append(_at(parts, scheme, port))
        elif scheme != "https":
            found.append(_at(parts, "udp", port))
    return tuple(found)


def _at(parts: SplitResult, scheme: str, port: int) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    path = parts.path if parts.path not in ("", "/") or scheme == "udp" else "/announce"
    return urlunsplit((scheme, f"{host}:{port}", path, parts.query, ""))


MAX_RECORD_BYTES = 4096
MAX_PORTS = 4
_PORT = re.compile(r"(UDP|TCP):([0-9]{1,5})", re.ASCII)
