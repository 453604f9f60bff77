"""Each reason for which a download can be slow, brought about, and found by its explanation."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.peer.config import PeerConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.rate_limits import RateLimits
from bittorrent.stats import TorrentState
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.explain import Explanation, SlowReason, explain
from bittorrent.swarm.uploading.choker import ChokerConfig
from bittorrent.wire import messages as wire
from tests.swarm_net import Host, SwarmNet
from tests.swarm_victim import SwarmVictim


def make_net(*, rate_bytes_per_s: float = 1e5, delay_s: float = 0.02) -> SwarmNet:
    return SwarmNet(Random(1), total_bytes=4 << 20, rate_bytes_per_s=rate_bytes_per_s, delay_s=delay_s)


def why(
    host: Host,
    *,
    state: TorrentState = TorrentState.DOWNLOADING,
    is_paused: bool = False,
) -> Explanation:
    return explain(
        host.core,
        state=state,
        is_paused=is_paused,
        loneliness="nobody came",
        now=host.net.now,
    )


def run_for(net: SwarmNet, seconds: float) -> None:
    until = net.now + seconds
    net.run_until(lambda: net.now >= until)


def test_nobody_is_connected() -> None:
    net = make_net()
    explanation = why(net.host())
    assert explanation.reason is SlowReason.NO_PEERS
    assert str(explanation) == "nobody came"
    assert (explanation.rate_bytes_per_s, explanation.peers) == (0.0, {})


def test_nobody_has_the_metadata() -> None:
    net = make_net()
    leech = net.host(magnet=True)
    net.connect(leech, net.host(magnet=True))
    run_for(net, 5)
    assert why(leech, state=TorrentState.METADATA).reason is SlowReason.NO_METADATA


def test_nobody_has_anything_that_is_missing() -> None:
    net = make_net()
    leech = net.host()
    net.connect(leech, net.host())
    run_for(net, 5)
    explanation = why(leech)
    assert explanation.reason is SlowReason.NOTHING_NEEDED
    assert str(explanation).startswith("1 peer connected, but none has anything")


def test_everybody_serves_others() -> None:
    net = make_net()
    seed = net.host(
        have=Bitfield.full(net.geometry.piece_count),
        config=SwarmConfig(choker=ChokerConfig(slots=1, optimistic_slots=0), allowed_fast_pieces=0),
    )
    leeches = [net.host(config=SwarmConfig(allowed_fast_pieces=0)) for _ in range(2)]
    for leech in leeches:
        net.connect(leech, seed)
    run_for(net, 2)
    assert {why(leech).reason for leech in leeches} == {SlowReason.CHOKED, SlowReason.WAITING}
    run_for(net, 2)
    reasons = {why(leech).reason for leech in leeches}
    assert reasons == {SlowReason.CHOKED, SlowReason.REMOTE_SLOW}


def test_somebody_promised_and_sends_nothing() -> None:
    net = make_net()
    leech = net.host()
    for _ in range(2):
        net.connect(leech, net.seed(never_answers=True))
    run_for(net, 40)
    explanation = why(leech)
    assert explanation.reason is SlowReason.SNUBBED
    assert str(explanation) == "who promised data sends none (2 of 2 peers); wait for others"


def test_somebody_promised_and_refuses() -> None:
    geometry = Geometry(8 * BLOCK_SIZE, BLOCK_SIZE)
    victim = SwarmVictim(geometry, Bitfield(8))
    peer = victim.join()
    peer.hear(wire.HaveAll(), wire.Unchoke())
    asked = [message.block for message in peer.says() if isinstance(message, wire.Request)]
    peer.hear(*(wire.RejectRequest(block) for block in asked))
    explanation = explain(
        victim.core, state=TorrentState.DOWNLOADING, is_paused=False, loneliness="nobody came", now=victim.now
    )
    assert asked
    assert explanation.reason is SlowReason.REFUSED
    assert str(explanation) == "who promised data refuses to send it (1 of 1 peer); wait for others"


def test_the_disk_is_slow() -> None:
    net = make_net(rate_bytes_per_s=1e6)
    leech = net.host(config=SwarmConfig(max_unverified_bytes=1 << 16))
    leech.disk_delay_s = 3.0
    net.connect(leech, net.seed())
    run_for(net, 5)
    assert why(leech).reason is SlowReason.DISK_LIMITED
    leech.disk_delay_s = 0.0
    run_for(net, 10)
    assert why(leech).reason is not SlowReason.DISK_LIMITED


def test_the_peer_takes_few_requests_at_a_time() -> None:
    net = make_net(rate_bytes_per_s=1e6, delay_s=0.5)
    leech, seed = net.host(), net.seed()
    seed.peer_config = PeerConfig(request_queue=8)
    net.connect(leech, seed)
    run_for(net, 10)
    assert why(leech).reason is SlowReason.QUEUE_LIMITED


def test_the_peer_sends_as_fast_as_it_can() -> None:
    net = make_net(rate_bytes_per_s=5e4)
    leech = net.host()
    net.connect(leech, net.seed())
    run_for(net, 10)
    explanation = why(leech)
    assert explanation.reason is SlowReason.REMOTE_SLOW
    assert explanation.peers == {SlowReason.REMOTE_SLOW: 1}
    assert 2e4 < explanation.rate_bytes_per_s < 8e4
    assert str(explanation) == "the peers send as fast as they can or want (1 of 1 peer)"


def test_what_is_left_is_on_order_from_others() -> None:
    net = SwarmNet(Random(1), total_bytes=1 << 14, piece_length=1 << 14, rate_bytes_per_s=100.0)
    leech = net.host()
    for _ in range(4):
        net.connect(leech, net.seed())
    run_for(net, 8)
    explanation = why(leech)
    assert explanation.reason is SlowReason.WAITING
    assert explanation.peers == {SlowReason.WAITING: 2, SlowReason.ALL_REQUESTED: 2}
    assert str(explanation) == "the peers were asked and have sent nothing lately (2 of 4 peers)"
    run_for(net, 12)
    assert why(leech).peers == {SlowReason.WAITING: 4}, "in the end everybody is asked"


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        (SlowReason.STOPPED, {"state": TorrentState.STOPPED, "is_paused": True}),
        (SlowReason.PAUSED, {"is_paused": True}),
        (SlowReason.CHECKING, {"state": TorrentState.CHECKING}),
    ],
)
def test_what_the_user_did(reason: SlowReason, options: dict[str, TorrentState | bool]) -> None:
    net = make_net(rate_bytes_per_s=5e4)
    leech = net.host()
    net.connect(leech, net.seed())
    run_for(net, 5)
    explanation = why(leech, **options)  # type: ignore[arg-type]
    assert explanation.reason is reason
    assert "{" not in str(explanation)


def test_a_limit_that_was_set_is_used_up_until_it_is_lifted() -> None:
    net = make_net(rate_bytes_per_s=1e5)
    leech = net.host()
    leech.core.limits.set(RateLimits(local_download_bytes_per_s=2e4))
    net.connect(leech, net.seed())
    run_for(net, 10)
    assert why(leech).reason is SlowReason.RATE_LIMITED
    leech.core.limits.set(RateLimits())
    run_for(net, 10)
    assert why(leech).reason is SlowReason.REMOTE_SLOW


def test_a_limit_above_what_the_peers_send_is_no_reason() -> None:
    net = make_net(rate_bytes_per_s=1e5)
    leech = net.host()
    leech.core.limits.set(RateLimits(local_download_bytes_per_s=2e5))
    net.connect(leech, net.seed())
    run_for(net, 15)
    assert why(leech).reason is SlowReason.REMOTE_SLOW


def test_who_chokes_is_the_reason_although_there_is_a_limit() -> None:
    net = make_net()
    net.is_private = True  # or else the others find each other
    leech = net.host()
    leech.core.limits.set(RateLimits(local_download_bytes_per_s=1.0))
    seed = net.host(
        have=Bitfield.full(net.geometry.piece_count),
        config=SwarmConfig(choker=ChokerConfig(slots=1, optimistic_slots=0), allowed_fast_pieces=0),
    )
    net.connect(net.host(), seed)
    net.connect(leech, seed)
    run_for(net, 1)  # the other does not rest yet
    assert why(leech).reason is SlowReason.CHOKED


def test_nothing_is_missing() -> None:
    net = make_net()
    assert why(net.seed(), state=TorrentState.SEEDING).reason is SlowReason.FINISHED
