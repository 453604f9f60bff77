"""Two peers behind NAT boxes of any kind, and one that both can call: do they meet, and how?

python -m tests.simulation.punching        plays every pair of kinds, and prints the table
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from bittorrent.aio.torrent import Torrent
from bittorrent.dialling.encryption import Encryption
from bittorrent.dialling.paths import PUNCH, TCP, UTP, PathConfig
from bittorrent.stats import PeerStats
from tests.simulation.content_sessions import add, session_on, until
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Link, NatKind, Simulation, run
from transfer.utp.config import UtpConfig

RELAY, BOXES, INSIDE = "11.0.0.1", ("12.0.0.1", "13.0.0.1"), ("192.168.1.2", "192.168.2.2")
RELAY_V6, OUTSIDE_V6 = "2001:db8:1::1", ("2001:db8:2::1", "2001:db8:3::1")
KINDS = (NatKind.FULL_CONE, NatKind.RESTRICTED, NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC)
WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Met:
    """What became of the two.

    Attributes:
        peer: how the second one sees the first; None if they did not meet.
        took_s: since both were connected with the one that both can call.
        introductions: how many times that one told two peers to call each other.
        explained: what the second one says of its download.
    """

    peer: PeerStats | None
    took_s: float
    introductions: int
    explained: str

    @property
    def how(self) -> str:
        if self.peer is None:
            return "no"
        return "punched" if self.peer.introduced_by is not None else "called"


def play(
    one: NatKind | None,
    other: NatKind | None,
    *,
    hairpin: bool | None = None,
    paths: PathConfig | None = None,
    encryption: Encryption = Encryption.PLAINTEXT,
    loss: float = 0.0,
    is_ipv6: bool = False,
    seed: int = 1,
) -> Met:
    """A leech behind a box of each kind; None: behind a firewall that lets in answers only.

    Args:
        hairpin: both are behind the first box, which sends what they say to its outer address back, or does not.
        is_ipv6: hosts that have no box have such addresses.
    """
    in_the_middle, outside = (RELAY_V6, OUTSIDE_V6) if is_ipv6 else (RELAY, BOXES)

    async def scenario(simulation: Simulation) -> Met:
        content = SharedContent.make(1 << 16, 1 << 14, simulation.rng)
        config: dict[str, Any] = {
            "utp": UtpConfig(),
            "encryption": encryption,
            "paths": paths or PathConfig(paths=(TCP, UTP, PUNCH)),
        }
        async with AsyncExitStack() as stack:
            relay = await stack.enter_async_context(session_on(simulation, in_the_middle, content, **config))
            common = await add(simulation, in_the_middle, relay, content.metainfo)
            boxes = [
                simulation.nat(box, kind=kind, hairpin=bool(hairpin)) if kind is not None else None
                for box, kind in zip(BOXES, (one, other), strict=True)
            ]
            torrents: list[Torrent] = []
            for box, inner, outer in zip(boxes, INSIDE, outside, strict=True):
                place, behind = (inner, boxes[0] if hairpin is not None else box) if box is not None else (outer, None)
                with simulation.host(place, behind=behind) as machine:
                    pass
                if behind is None:
                    simulation.firewall(machine)
                session = await stack.enter_async_context(
                    session_on(simulation, place, content, behind=behind, **config)
                )
                torrents.append(
                    await add(
                        simulation, machine, session, content.metainfo, peers=[(in_the_middle, relay.address.port)]
                    )
                )
                if len(torrents) == 1:  # it hears of nobody: who both call at once by chance need no introduction
                    vars(torrents[0]._life.swarm)["add_addresses"] = lambda *_, **__: None
                await asyncio.sleep(5.0)
            await until(lambda: len(common.peers()) == 2, within_s=60)
            began_at = simulation.now

            def other_peer() -> PeerStats | None:
                return next((peer for peer in torrents[1].peers() if peer.address.host != in_the_middle), None)

            with suppress(TimeoutError):
                await until(lambda: other_peer() is not None, within_s=WITHIN_S)
            return Met(
                other_peer(),
                simulation.now - began_at,
                common._life.core.exchange.punching.relay.introduced,
                str(torrents[1].explain()),
            )

    return run(scenario, seed=seed, link=Link(delay_s=0.03, loss=loss)).result


def theory(one: NatKind, other: NatKind) -> bool:
    """Whether two peers can meet if both call at once where a third one saw the other.

    A box that gives each target a port of its own leaves from another port than that one; and a box that lets in only
    what comes from a port that was written to does not know that port (RFC 5128, section 3.3).
    """
    return not any(
        a is NatKind.SYMMETRIC and b in (NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED)
        for a, b in ((one, other), (other, one))
    )


def main() -> None:
    print("|  | " + " | ".join(kind.value for kind in KINDS) + " |")
    for one in KINDS:
        results = [play(one, other) for other in KINDS]
        print(f"| {one.value} | " + " | ".join(f"{met.how} {met.took_s:.1f} s" for met in results) + " |")
        assert all((met.peer is not None) == theory(one, other) for other, met in zip(KINDS, results, strict=True))


PAIRS = list(product(KINDS, KINDS))

if __name__ == "__main__":
    main()
