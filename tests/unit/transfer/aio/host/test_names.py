"""Names in multiaddrs."""

from __future__ import annotations

import pytest

from transfer.aio.host.names import MAX_QUESTIONS, NameLookUpError, expand
from transfer.identity.keys import PrivateKey
from transfer.multiaddr.multiaddr import Multiaddr

PEERS = [PrivateKey.from_seed(bytes(31) + bytes([number])).peer_id for number in range(2)]


async def test_what_has_no_name_is_left_as_it_is() -> None:
    address = Multiaddr.parse("/ip4/192.0.2.1/tcp/1")
    assert await expand(address) == [address]


async def test_circles_end() -> None:
    asked = 0

    async def text(name: str) -> list[str]:
        nonlocal asked
        asked += 1
        return ["dnsaddr=/dnsaddr/a.test", "dnsaddr=/dnsaddr/b.test", "dnsaddr=/dnsaddr/c.test"]

    with pytest.raises(NameLookUpError, match="without end"):
        await expand(Multiaddr.parse("/dnsaddr/a.test"), look_up_text=text)
    assert asked <= MAX_QUESTIONS


async def test_only_addresses_of_the_peer_that_is_meant_are_taken() -> None:
    async def text(name: str) -> list[str]:
        return [f"dnsaddr=/ip4/192.0.2.{place}/tcp/1/p2p/{peer}" for place, peer in enumerate(PEERS)] + [
            "dnsaddr=x",
            "y",
        ]

    found = await expand(Multiaddr.parse(f"/dnsaddr/a.test/p2p/{PEERS[1]}"), look_up_text=text)
    assert list(map(str, found)) == [f"/ip4/192.0.2.1/tcp/1/p2p/{PEERS[1]}"]
    assert len(await expand(Multiaddr.parse("/dnsaddr/a.test"), look_up_text=text)) == 2


async def test_a_name_that_leads_nowhere_is_told() -> None:
    async def nothing(name: str) -> list[str]:
        return []

    async def fails(name: str) -> list[str]:
        raise OSError("no server answers")

    with pytest.raises(OSError, match="leads to no address"):
        await expand(Multiaddr.parse("/dnsaddr/a.test"), look_up_text=nothing)
    with pytest.raises(OSError, match="no server answers"):
        await expand(Multiaddr.parse("/dnsaddr/a.test"), look_up_text=fails)


async def test_what_stands_behind_a_name_is_kept() -> None:
    found = await expand(Multiaddr.parse(f"/dns4/localhost/tcp/7/p2p/{PEERS[0]}"))
    assert f"/ip4/127.0.0.1/tcp/7/p2p/{PEERS[0]}" in map(str, found)
