"""What a user is told of limits that refuse connections, and which option changes them."""

from __future__ import annotations

from dataclasses import replace

from fileshare.cli.output import Output
from fileshare.text import one_line
from transfer import RefusalSummary


def report_refusals(output: Output, summary: RefusalSummary) -> None:
    """One line for people, the "refused" event for programs."""
    refusal = summary.latest
    advice = ADVICE.get(refusal.limit, summary.advice)
    text = one_line(str(replace(summary, advice=advice)))
    if refusal.limit not in USUAL:
        output.say(f"limit {text}")
    output.event(
        "refused",
        limit=refusal.limit,
        scope=refusal.scope,
        what=refusal.what,
        in_use=refusal.in_use,
        most=refusal.most,
        count=summary.count,
        seconds=summary.since_s,
        hosts=summary.subjects,
        advice=advice,
    )


MORE = "--max-connections allows more"
FEWER = "`ulimit -n` allows more, --max-connections fewer connections"
EXEMPT = "if these are friends, --exempt NETWORK lets any number in"
ADVICE = {
    "max_inbound": MORE,
    "max_outbound": MORE,
    "max_connections": MORE,
    "max_connections_per_torrent": "more are not needed for speed",
    "max_connections_per_host": EXEMPT,
    "max_connections_per_network": EXEMPT,
    "accepts_per_host_per_s": EXEMPT,
    "max_handshaking": "strangers came faster than they said what they want",
    "peer.handshake_timeout_s": "strangers connected and said nothing",
    "rate_limit.per_host_per_s": "a host asked the DHT node faster than any client does",
    "rate_limit.total_per_s": "the DHT node was asked more than it looks at",
    "amplification.stranger_bytes_per_s": "somebody may have used the DHT node against these hosts",
    "amplification.proved_bytes_per_s": "a host asked the DHT node for more than any client does",
    "max_pending_queries": "the DHT node had more to ask than it may",
    "max_lookups": "the DHT node had more to look up than it may",
    "max_descriptors": FEWER,
    "RLIMIT_NOFILE": FEWER,
}
# Popular torrents, port scans, and what every node of the DHT meets.
USUAL = {"max_connections_per_torrent", "max_handshaking", "peer.handshake_timeout_s"} | {
    "rate_limit.per_host_per_s",
    "rate_limit.total_per_s",
    "amplification.stranger_bytes_per_s",
    "amplification.proved_bytes_per_s",
}
