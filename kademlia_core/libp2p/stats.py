"""The numbers of a node of libp2p's DHT."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Libp2pCounters:
    """What a node has counted since it began."""

    requests_sent: int = 0
    answers_received: int = 0
    refusals_received: int = 0
    failures: int = 0
    timeouts: int = 0
    requests_served: int = 0
    requests_refused: int = 0
    dropped_limit: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Libp2pStats:
    """A node at one moment, and what it has counted since it began.

    Attributes:
        peers: in the table.
        good_peers: of those, the ones that showed life lately.
        buckets: of the table.
        lookups: running.
        pending_requests: on their way.
        values: kept for others.
        provider_entries: pairs of a content and a provider, kept for others.
        kept_alive: keys that this node provides or has put, and publishes again.
        is_server: whether it answers requests.
        requests_sent: to other peers.
        answers_received: to them.
        refusals_received: streams that were reset, and answers to something else.
        failures: peers that could not be reached, or do not speak the protocol.
        timeouts: requests that were left unanswered.
        requests_served: of other peers.
        requests_refused: because they made no sense, or wanted something kept that was not right.
        dropped_limit: requests refused because too many came from one place.
        sent_bytes: of messages, both ways of asking.
        received_bytes: see `sent_bytes`.
    """

    peers: int
    good_peers: int
    buckets: int
    lookups: int
    pending_requests: int
    values: int
    provider_entries: int
    kept_alive: int
    is_server: bool
    requests_sent: int
    answers_received: int
    refusals_received: int
    failures: int
    timeouts: int
    requests_served: int
    requests_refused: int
    dropped_limit: int
    sent_bytes: int
    received_bytes: int
