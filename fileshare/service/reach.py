"""Whether others can reach us, judged from what a session and its DHT node have seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bittorrent import ReachabilityStats
from transfer import Reach, reach_of


class Verdict(StrEnum):
    """Whether others can reach this node."""

    YES = "yes"
    LIKELY = "likely"
    NO = "no"
    LOCAL = "local"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachReport:
    """A verdict, its reasons, and what to do next.

    Attributes:
        verdict: see `Verdict`; LOCAL: programs on this machine alone, as that is where we listen.
        text: the verdict in one sentence.
        reasons: what it rests on, most important first.
        advice: what to do next; nothing when all is well.
    """

    verdict: Verdict
    text: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]


def judge(stats: ReachabilityStats, *, dht_nodes: int | None, dht_error: str | None = None) -> ReachReport:
    """What to make of what was seen.

    Args:
        dht_nodes: that our node knows; None without the DHT.
        dht_error: why it could not be joined.
    """
    proofs = _proofs(stats)
    own = stats.local_host
    mapping = stats.mapping
    is_mapped = mapping is not None and mapping.method is not None
    seen = stats.external_host or (stats.dht_seen_as[0][0] if stats.dht_seen_as else None)
    if own is not None and reach_of(own) is Reach.MACHINE:
        return ReachReport(
            verdict=Verdict.LOCAL,
            text="only programs on this machine can reach this node, as it listens here alone",
            reasons=tuple(proofs),
            advice=("listen on every address (leave --listen out) to be reached by others",),
        )
    if proofs:
        return ReachReport(
            verdict=Verdict.YES, text="others can reach this node", reasons=tuple(proofs), advice=_advice_proved(stats)
        )
    if own is None:
        return ReachReport(
            verdict=Verdict.UNKNOWN,
            text="this machine is in no network",
            reasons=_dht_reasons(dht_nodes, dht_error),
            advice=("connect it to a network, and ask again",),
        )
    if reach_of(own) is Reach.INTERNET:
        return ReachReport(
            verdict=Verdict.LIKELY,
            text="others should reach this node: it has a public address of its own; but nobody has tried yet",
            reasons=(f"{own} is a public address", *_dht_reasons(dht_nodes, dht_error)),
            advice=("if nobody comes in the long run, a firewall keeps them out: let TCP and UDP in on the port",),
        )
    if is_mapped:
        assert mapping is not None
        if mapping.is_behind_another_nat:
            return ReachReport(
                verdict=Verdict.NO,
                text="others cannot reach this node: there is another NAT outside the router",
                reasons=(f"the router's own address, {mapping.external_host}, is no public one",),
                advice=(ADVICE_CARRIER, ADVICE_PUNCH),
            )
        if seen is not None and mapping.external_host is not None and seen != mapping.external_host:
            return ReachReport(
                verdict=Verdict.NO,
                text="others can hardly reach this node: the router is not where they see it",
                reasons=(f"the router says it is at {mapping.external_host}, others see {seen}",),
                advice=(ADVICE_CARRIER, ADVICE_PUNCH),
            )
        return ReachReport(
            verdict=Verdict.LIKELY,
            text="others should reach this node: the router lets them in; but nobody has tried yet",
            reasons=_dht_reasons(dht_nodes, dht_error),
            advice=("ask again after a while, or with a longer --wait: strangers come by themselves",),
        )
    if dht_nodes == 0 and not stats.seen_as and not stats.dht_seen_as:
        return ReachReport(
            verdict=Verdict.UNKNOWN,
            text="whether others can reach this node is not known: it has met nobody",
            reasons=(f"{own} is a private address", *_dht_reasons(dht_nodes, dht_error)),
            advice=("see whether this machine reaches the internet at all, and whether UDP is let out",),
        )
    return ReachReport(
        verdict=Verdict.NO,
        text="others cannot reach this node: it is behind a NAT that lets nobody in",
        reasons=(f"{own} is a private address", *_dht_reasons(dht_nodes, dht_error)),
        advice=(
            f"switch on UPnP or NAT-PMP in the router, or forward its port {stats.port} to {own}, TCP and UDP",
            ADVICE_PUNCH,
        ),
    )


def _proofs(stats: ReachabilityStats) -> list[str]:
    found = []
    if stats.callers:
        who = "peer" if stats.callers == 1 else "peers"
        found.append(f"{stats.callers} {who} of the internet called over TCP or uTP, the last one {stats.last_caller}")
    if stats.dht_unsolicited:
        who = "query" if stats.dht_unsolicited == 1 else "queries"
        found.append(f"{stats.dht_unsolicited} {who} came over UDP from DHT nodes that nothing was sent to before")
    return found


def _advice_proved(stats: ReachabilityStats) -> tuple[str, ...]:
    """UDP is proved by the DHT alone; a mapping or a call shows TCP."""
    is_mapped = stats.mapping is not None and stats.mapping.method is not None
    if stats.callers or is_mapped or (stats.local_host is not None and reach_of(stats.local_host) is Reach.INTERNET):
        return ()
    return (f"that is shown for UDP alone; for TCP, forward port {stats.port} at the router",)


def _dht_reasons(dht_nodes: int | None, dht_error: str | None) -> tuple[str, ...]:
    if dht_error is not None:
        return (dht_error,)
    if dht_nodes:
        return (f"of {dht_nodes} DHT nodes that know this one, and those they told, nobody has called by themselves",)
    return ()


ADVICE_CARRIER = "ask the provider for a public address, use IPv6, or forward the port at the outer router, too"
ADVICE_PUNCH = "until then peers that can be reached are called as ever, and uTP (--utp) gets through to some others"
