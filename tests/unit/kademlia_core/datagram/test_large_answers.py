"""Large answers go to those who are what they say; others get small ones."""

from __future__ import annotations

from random import Random

from kademlia_core import Key
from kademlia_core.datagram.amplification import AmplificationConfig
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import MainlineConfig
from kademlia_core.mainline.core import MainlineCore
from kademlia_core.mainline.messages import AnnouncePeer, GetPeers, Message, Query, Request, Response
from transfer.address import Address
from transfer.limits.source_limiter import RateLimitConfig

INFO_HASH = Key.from_bytes(b"i" * 20)
VICTIM = Address("31.1.1.1", 6881)


class Crowd:
    """A core that knows 200 peers of one torrent."""

    def __init__(self) -> None:
        config = MainlineConfig(
            amplification=AmplificationConfig(stranger_burst_bytes=2000.0, stranger_bytes_per_s=10.0),
            rate_limit=RateLimitConfig(per_host_burst=100_000, total_burst=100_000),
        )
        self.core = MainlineCore(rng=Random(1), now=0.0, config=config)
        for number in range(200):
            self.announce(Address(f"32.{number}.1.1", 6881))

    def announce(self, source: Address) -> None:
        token = self.ask(GetPeers(INFO_HASH), source).token
        assert token is not None
        self.ask(AnnouncePeer(INFO_HASH, 7000, token), source)

    def ask(self, request: Request, source: Address) -> Response:
        self.core.receive_datagram(krpc.encode(Query(b"tt", Key(9, 160), request, is_read_only=True)), source, now=0.0)
        messages: list[Message] = [krpc.decode(data) for data, _ in self.core.datagrams_to_send()]
        (reply,) = [message for message in messages if not isinstance(message, Query)]
        assert isinstance(reply, Response)
        return reply


def test_a_forged_source_gets_no_more_than_its_ration() -> None:
    crowd = Crowd()
    answers = [crowd.ask(GetPeers(INFO_HASH), VICTIM) for _ in range(1000)]
    assert answers[0].peers
    assert sum(bool(answer.peers) for answer in answers) <= 3
    assert all(answer.token for answer in answers)  # which an honest node needs to prove itself
    assert crowd.core.stats(now=0.0).dropped_limit >= 997
    other = crowd.ask(GetPeers(INFO_HASH), Address("31.2.1.1", 6881))
    assert other.peers


def test_a_token_that_comes_back_is_a_proof() -> None:
    crowd = Crowd()
    while crowd.ask(GetPeers(INFO_HASH), VICTIM).peers:
        pass
    crowd.announce(VICTIM)
    assert all(crowd.ask(GetPeers(INFO_HASH), VICTIM).peers for _ in range(100))


def test_loopback_cannot_be_forged() -> None:
    crowd = Crowd()
    assert all(crowd.ask(GetPeers(INFO_HASH), Address("127.0.0.1", 6881)).peers for _ in range(100))
