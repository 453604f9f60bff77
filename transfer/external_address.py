"""What address the Internet sees us at, by a vote of the nodes that answer us (BEP 42, "Bootstrapping")."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from transfer.address import packed_host, usable_family
from transfer.subnet import subnet_of

if TYPE_CHECKING:
    from transfer.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAddressConfig:
    """When the nodes agree.

    Args:
        quorum: networks that must name the same address before it is believed.
        max_votes: networks whose latest vote is kept; the oldest vote goes first.
        vote_lifetime_s: a vote counts for so long.
    """

    quorum: int = 8
    max_votes: int = 64
    vote_lifetime_s: float = 3600.0

    def __post_init__(self) -> None:
        if not 0 < self.quorum <= self.max_votes:
            raise ValueError("quorum must be at least 1 and at most max_votes")
        if self.vote_lifetime_s <= 0:
            raise ValueError("vote_lifetime_s must be positive")


class ExternalAddress:
    """The address that more than two thirds of the networks heard from lately name, and at least `quorum` of them.

    A network is a /24 or a /48 and has one vote, its latest: however many nodes run in one of them, they
    count as one. Votes are taken only from nodes that answer our queries, whose choice is ours. To be believed, liars
    have to be two thirds of the networks we ask, and agree. A plain majority would not do: a node hears hundreds of
    thousands of votes, and if three in ten of all networks lie, one in 4000 runs of 64 has a majority of liars. Two
    thirds of a run lie once in a thousand million times (binomial tails).

    When the address really changes, each vote replaces that of its network or the oldest one, so the new address wins
    after at most `max_votes` answers. Where answers disagree, as behind a NAT that uses several addresses, the last
    agreement stands.

    Local nodes have no vote, and local addresses cannot be voted for: they say nothing about the Internet's view.

    Invariants: at most `max_votes` votes, one for each network, in the order of their arrival.
    """

    def __init__(self, config: ExternalAddressConfig, *, is_ipv6: bool) -> None:
        self._config = config
        self._is_ipv6 = is_ipv6
        self._votes: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._agreed: str | None = None

    @property
    def agreed(self) -> str | None:
        """The IP address; None until there was an agreement."""
        return self._agreed

    def on_vote(self, voter: Address, seen: Address, *, now: float) -> bool:
        """Takes what an answer said.

        Args:
            voter: the node that answered a query of ours.
            seen: where it says the query came from (`ip`); the port is ignored, NATs choose it for each target.

        Returns:
            Whether `agreed` is another one now.
        """
        network = subnet_of(voter.host)
        if network is None or usable_family(seen.host) != (6 if self._is_ipv6 else 4):
            return False
        if is_local(seen.host):
            return False
        self._expire(now=now)
        self._votes.pop(network, None)
        if len(self._votes) >= self._config.max_votes:
            self._votes.popitem(last=False)
        self._votes[network] = (seen.host, now + self._config.vote_lifetime_s)
        return self._count(seen.host)

    def votes(self, *, now: float) -> dict[str, int]:
        """How many networks name which address at the moment."""
        self._expire(now=now)
        return dict(Counter(host for host, _ in self._votes.values()))

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self._votes) <= self._config.max_votes
        ends = [ends_at for _, ends_at in self._votes.values()]
        assert ends == sorted(ends)

    def _count(self, candidate: str) -> bool:
        """Only the address that has just got a vote can have won."""
        if candidate == self._agreed:
            return False
        votes = Counter(host for host, _ in self._votes.values())[candidate]
        if votes < self._config.quorum or 3 * votes <= 2 * len(self._votes):
            return False
        self._agreed = candidate
        return True

    def _expire(self, *, now: float) -> None:
        while self._votes:
            network, (_, ends_at) = next(iter(self._votes.items()))
            if ends_at > now:
                return
            del self._votes[network]


@lru_cache(maxsize=8192)
def is_local(host: str) -> bool:
    """Whether `host` is a local address, whose owner cannot know what the Internet sees instead.

    The list of BEP 42, the same ranges of IPv6, and the shared range of carrier-grade NAT (RFC 6598), which BEP 42
    forgot: a packet from there comes from a customer of the same carrier, which has a public address besides.

    Raises:
        AddressError: `host` is not an IP address.
    """
    packed = packed_host(host)
    value = int.from_bytes(packed, "big")
    return any(value & mask == network for network, mask in (_LOCAL_IPV4 if len(packed) == 4 else _LOCAL_IPV6))


def _ranges(*texts: str) -> tuple[tuple[int, int], ...]:
    """First address and mask of each network."""
    networks = map(ip_network, texts)
    return tuple((int(network.network_address), int(network.netmask)) for network in networks)


_LOCAL_IPV4 = _ranges("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10")
_LOCAL_IPV6 = _ranges("::1/128", "fe80::/10", "fc00::/7")
