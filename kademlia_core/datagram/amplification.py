"""No cannon for rent: large answers to addresses that may be forged are rationed.

A host that forges the sender of a query has us send the answer to a victim. Answers that are hardly longer than their
query make this pointless, so only the others count. An address that has shown that it receives what we send to it, by
handing in a write token or by answering a query of ours, is not forged and has a much larger ration. It is not free of
one: the victim may well run a node, and its proof is no order for whatever others ask in its name.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from transfer.limits.token_bucket import TokenBucket
from transfer.subnet import subscriber_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplificationConfig:
    """How many bytes of large answers are sent. An IPv6 address stands for its /64.

    A `find_node` query takes 92 bytes, its answer 287 over IPv4 and 397 over IPv6 with eight contacts; a `get_peers`
    answer without peers 304 and 414, for 95 bytes. A node that wants both families (BEP 32) asks with 108 bytes and
    gets up to 640: 5.9 times as much. A factor of 6 lets all of these pass, and a `ping` anyway, so that looking things
    up never depends on any ration. What counts are answers with more than 30 peers, values of BEP 44, filters of BEP 33
    and samples of BEP 51, up to 1024 bytes each: 11 times the query.

    Four such answers to a stranger at once are enough for honest nodes, which ask one node once or twice in a lookup
    and then announce (a proof) or turn to others. A victim gets from us at most 256 bytes a second beyond what passes
    freely, and all victims together 64 KiB/s, which is less than one seed uploads and more than a node on mainline,
    with a few dozen queries a second, sends in large answers. Many users behind one address share its ration: 256 KiB
    at once and 16 KiB/s, as soon as any of them has proved it.

    Args:
        free_factor: answers of at most so many times the size of their query always pass.
        stranger_bytes_per_s: of large answers, for one address without a proof.
        stranger_burst_bytes: see `stranger_bytes_per_s`.
        total_bytes_per_s: for all addresses without a proof together.
        total_burst_bytes: see `total_bytes_per_s`.
        proved_bytes_per_s: for one address with a proof.
        proved_burst_bytes: see `proved_bytes_per_s`.
        proof_lifetime_s: addresses change hands, so proofs are forgotten.
        max_strangers: addresses remembered; the one seen longest ago is forgotten first.
        max_proved: see `max_strangers`.
    """

    free_factor: float = 6.0
    stranger_bytes_per_s: float = 256.0
    stranger_burst_bytes: float = 4096.0
    total_bytes_per_s: float = 65536.0
    total_burst_bytes: float = 262144.0
    proved_bytes_per_s: float = 16384.0
    proved_burst_bytes: float = 262144.0
    proof_lifetime_s: float = 1800.0
    max_strangers: int = 4096
    max_proved: int = 16384

    def __post_init__(self) -> None:
        if self.free_factor < 1:
            raise ValueError("free_factor must be at least 1")
        if min(self.stranger_bytes_per_s, self.total_bytes_per_s, self.proved_bytes_per_s) <= 0:
            raise ValueError("rates must be positive")
        if min(self.stranger_burst_bytes, self.total_burst_bytes, self.proved_burst_bytes) <= 0:
            raise ValueError("bursts must be positive")
        if self.proof_lifetime_s <= 0 or min(self.max_strangers, self.max_proved) < 1:
            raise ValueError("proof_lifetime_s must be positive, and room for one address at least")


class AmplificationBudget:
    """Says of each answer whether it may go out; the caller sends a smaller one instead, without the large part.

    Packets from the loopback network cannot be forged from outside and are not rationed.

    Invariants: no more addresses are remembered than the config says, and none both as proved and as a stranger.
    """

    def __init__(self, config: AmplificationConfig, *, now: float) -> None:
        self._config = config
        self._total = TokenBucket(rate_per_s=config.total_bytes_per_s, burst=config.total_burst_bytes, now=now)
        self._strangers: OrderedDict[bytes, TokenBucket] = OrderedDict()
        self._proved: OrderedDict[bytes, _Proof] = OrderedDict()

    def allow(self, host: str, *, answer_bytes: int, query_bytes: int, now: float) -> bool:
        """Whether an answer may be sent to `host`, an IP address; if so, it is counted.

        Cost: a multiplication for a small answer, about 2 us for others.
        """
        if self.is_free(answer_bytes=answer_bytes, query_bytes=query_bytes):
            return True
        source = _source(host)
        if source is None:
            return True
        proof = self._proof(source, now=now)
        if proof is not None:
            return proof.ration.spend(answer_bytes, now=now)
        return self._ration(source, now=now).spend(answer_bytes, now=now) and self._total.spend(answer_bytes, now=now)

    def is_free(self, *, answer_bytes: int, query_bytes: int) -> bool:
        """Whether an answer may be sent to any address, and is not counted."""
        return answer_bytes <= self._config.free_factor * query_bytes

    def prove(self, host: str, *, now: float) -> None:
        """`host` receives what is sent to it: it showed a valid write token, or answered a query of ours."""
        source = _source(host)
        if source is None:
            return
        proof = self._proved.pop(source, None)
        if proof is None or proof.ends_at <= now:
            self._strangers.pop(source, None)
            if len(self._proved) >= self._config.max_proved:
                self._proved.popitem(last=False)
            config = self._config
            ration = TokenBucket(rate_per_s=config.proved_bytes_per_s, burst=config.proved_burst_bytes, now=now)
            proof = _Proof(ration)
        proof.ends_at = now + self._config.proof_lifetime_s
        self._proved[source] = proof

    def is_proved(self, host: str, *, now: float) -> bool:
        """Whether `host` need not be suspected of being a victim."""
        source = _source(host)
        return source is None or self._proof(source, now=now) is not None

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self._strangers) <= self._config.max_strangers
        assert len(self._proved) <= self._config.max_proved
        assert not self._strangers.keys() & self._proved.keys()

    def _proof(self, source: bytes, *, now: float) -> _Proof | None:
        proof = self._proved.get(source)
        if proof is not None and proof.ends_at <= now:
            del self._proved[source]
            return None
        return proof

    def _ration(self, source: bytes, *, now: float) -> TokenBucket:
        ration = self._strangers.get(source)
        if ration is not None:
            self._strangers.move_to_end(source)
            return ration
        config = self._config
        if len(self._strangers) >= config.max_strangers:
            self._strangers.popitem(last=False)
        ration = TokenBucket(rate_per_s=config.stranger_bytes_per_s, burst=config.stranger_burst_bytes, now=now)
        self._strangers[source] = ration
        return ration


class _Proof:
    """What an address that proved itself may get, and until when."""

    __slots__ = ("ends_at", "ration")

    def __init__(self, ration: TokenBucket) -> None:
        self.ration = ration
        self.ends_at = 0.0


def _source(host: str) -> bytes | None:
    """The address, or the /64 that its subscriber can choose addresses from; None for loopback."""
    return None if host == "::1" or host.startswith("127.") else subscriber_of(host)
