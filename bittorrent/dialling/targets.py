"""What others may make us call: the one rule for targets on this machine and in private networks. Pure.

What a torrent, a peer, a server or the DHT names may lie in the network of the user who downloads: a router, a printer,
a service on this machine. To call it is harmless as long as the user or a neighbour wanted it.

* Public addresses may always be called.
* What the user typed may be called, and so may a host that calls into the local network for peers (BEP 14).
* A tracker of a .torrent file of the user may be called if its URL is that of a tracker: the words of a torrent must
  not reach any other kind of service. Trackers in houses and companies exist.
* A peer in a private network may be called if this host has an address in the same network. One on this machine may
  be called if the peer or server that named it is on this machine as well.
* All else needs `allow_private`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import urlsplit

from transfer.reach import Reach, is_same_network, reach_of


class NamedBy(Enum):
    """Where the wish to call something comes from."""

    USER = auto()  # typed, or given by the program that uses the library
    TORRENT = auto()  # a .torrent file that the user has
    STRANGER = auto()  # a magnet link, PEX, the DHT, a tracker, a redirect of a public server


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRule:
    """The rule of the module.

    Attributes:
        allow_private: everything may be called, wherever its name comes from.
    """

    allow_private: bool = False

    def allows_server(self, host: str, named_by: NamedBy) -> bool:
        """Whether a web seed, or any other server but a tracker, may be called at an IP address."""
        return self.allow_private or named_by is NamedBy.USER or reach_of(host) is Reach.INTERNET

    def trusts_tracker(self, url: str, named_by: NamedBy) -> bool:
        """Whether a tracker may be called wherever its URL leads."""
        if self.allow_private or named_by is NamedBy.USER:
            return True
        return named_by is NamedBy.TORRENT and _is_url_of_tracker(url)

    def allows_peer(self, host: str, *, own: str | None) -> bool:
        """Whether a peer that others name may be called, once it was believed.

        Args:
            own: the address of ours that leads there, if there is one.
        """
        if self.allow_private or reach_of(host) is not Reach.NETWORK:
            return True
        return own is not None and is_same_network(own, host)

    def believes(self, host: str, *, teller: Reach) -> bool:
        """Whether a peer can be of use to us: no other host knows what is on this machine.

        Args:
            teller: how far away the source of its name can be; `INTERNET` where that is not known, as of a magnet link.
        """
        return self.allow_private or reach_of(host) is not Reach.MACHINE or teller is Reach.MACHINE


def _is_url_of_tracker(url: str) -> bool:
    """Whether its path ends as BEP 48 knows it, and nearly every tracker in use has it, or there is none."""
    parts = urlsplit(url)
    if parts.scheme == "udp":
        return True  # one datagram of 16 bytes, until a tracker answers it as one
    if parts.path in ("", "/"):
        return not parts.query or parts.query.startswith("info_hash=")  # nothing was put in front of ours
    return parts.path.rpartition("/")[2].startswith(("announce", "scrape"))


PRIVATE = "it leads to a private address; --allow-private allows that"
