"""Items, samples and scrapes against libtorrent's DHT, in both directions (BEP 33, 44 and 51)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from kademlia_core import CasMismatchError, LookupConfig, MainlineConfig, MainlineNode, MutableItem, SigningKey
from kademlia_core.mainline.messages import GetItem, PutItem, Response
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.programs import wait_until
from transfer.address import Address
from transfer.wire import bencode

pytestmark = pytest.mark.interop

OWNER = SigningKey(b"s" * 32)
INFO_HASH = bytes(range(100, 120))
CONFIG = MainlineConfig(lookup=LookupConfig(short_timeout_s=0.3), query_timeout_s=2.0)


@pytest.fixture
async def foreign() -> AsyncIterator[LibtorrentPeer]:
    """A libtorrent that is the only way into its network, and the only one to keep anything for others."""
    async with LibtorrentPeer(dht=True) as peer:
        yield peer


@pytest.fixture
async def ours(foreign: LibtorrentPeer) -> AsyncIterator[MainlineNode]:
    async with MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as node:
        await node.wait_joined()

        async def is_known() -> bool:
            return int((await foreign.do("dht_stats"))["nodes"]) > 0

        await wait_until(is_known, what="libtorrent has our node in its table")
        yield node


@pytest.fixture
async def reader(ours: MainlineNode, foreign: LibtorrentPeer) -> AsyncIterator[MainlineNode]:
    """Another node of ours."""
    bootstrap = [ours.address, foreign.address]
    async with MainlineNode(host="127.0.0.1", bootstrap=bootstrap, config=CONFIG) as node:
        await node.wait_joined()
        yield node


async def test_libtorrent_keeps_our_immutable_items(foreign: LibtorrentPeer) -> None:
    values: list[bencode.Encodable] = ["text", 7, ["list", {"of": 1}], {"a": {}, "b": []}, bytes(996)]
    async with MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as writer:
        targets = []
        for value in values:
            report = await writer.put_immutable(value)
            assert [contact.address for contact in report.accepted_by] == [foreign.address]
            targets.append(report.item.target)
    async with MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as stranger:
        for value, target in zip(values, targets, strict=True):
            found = await stranger.get_immutable(target)
            assert found is not None
            assert found.value == bencode.encode(value)


async def test_libtorrent_keeps_our_mutable_items(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    salts = (b"", b"salt", b"\x00" * 64)
    for salt in salts:
        for seq, value in ((1, "one"), (2, "two")):
            report = await ours.put_mutable(OWNER, [value, salt], salt)
            assert report.item.seq == seq
            assert [contact.address for contact in report.accepted_by] == [foreign.address]
    async with MainlineNode(host="127.0.0.1", bootstrap=[foreign.address], config=CONFIG) as stranger:
        for salt in salts:
            found = await stranger.get_mutable(OWNER.public_key, salt)
            assert found is not None
            assert (found.seq, found.decoded()) == (2, [b"two", salt])
            assert await stranger.get_mutable(OWNER.public_key, salt, seq=2) is None
    assert ours.statistics().stored_items == 0, "it is libtorrent that kept them"


async def test_libtorrent_refuses_what_it_must_in_the_same_words(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    """Each refusal of BEP 44, told by libtorrent and understood by us."""
    await ours.put_mutable(OWNER, "present", cas=0)
    current = MutableItem.sign(OWNER, "next", seq=2)
    (driver,) = ours._networks.drivers

    async def put(item: MutableItem, cas: int | None = None) -> int:
        """The code of the error reply; 0 for none."""
        offer = await ours._networks.send(driver, foreign.address, GetItem(item.target))
        assert offer.response is not None
        assert offer.response.token is not None
        outcome = await ours._networks.send(driver, foreign.address, PutItem(item, offer.response.token, cas))
        return outcome.error.code if outcome.error is not None else 0

    assert await put(current, cas=7) == 301
    assert await put(MutableItem.sign(OWNER, "earlier", seq=0)) == 302
    assert await put(MutableItem(OWNER.public_key, 3, b"5:value", bytes(64))) == 206
    assert await put(current, cas=1) == 0
    with pytest.raises(CasMismatchError):
        await ours.put_mutable(OWNER, "x", cas=1)


async def test_we_keep_libtorrents_immutable_items(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    for value in ("text", 7, ["list", {"of": 1}]):
        put = await foreign.do("dht_put_immutable", value=value)
        assert put["nodes"] >= 1
        found = await ours.get_immutable(bytes.fromhex(put["target"]))
        assert found is not None
        assert found.value == bencode.encode(value)  # type: ignore[arg-type]
    assert ours.statistics().stored_items == 3


async def test_we_keep_libtorrents_mutable_items(
    ours: MainlineNode, reader: MainlineNode, foreign: LibtorrentPeer
) -> None:
    for salt in (b"", b"salt"):
        for seq, value in ((1, "first"), (2, "second")):
            put = await foreign.do(
                "dht_put_mutable",
                seed=OWNER.seed.hex(),
                public_key=OWNER.public_key.hex(),
                value=value,
                salt=salt.hex(),
            )
            assert put["seq"] == seq
            assert put["nodes"] >= 1
            found = await reader.get_mutable(OWNER.public_key, salt)
            assert found is not None
            assert (found.seq, found.decoded()) == (seq, value.encode())


async def test_libtorrent_finds_what_we_put(ours: MainlineNode, reader: MainlineNode, foreign: LibtorrentPeer) -> None:
    immutable = await ours.put_immutable({"put": ["by", 1]})
    answer = await foreign.do("dht_get_immutable", target=immutable.item.target.hex())
    assert base64.b64decode(answer["item"]) == immutable.item.value
    for salt in (b"", b"salt"):
        for seq in (1, 2):
            mutable = await ours.put_mutable(OWNER, f"version {seq}", salt)
            answer = await foreign.do("dht_get_mutable", public_key=OWNER.public_key.hex(), salt=salt.hex())
            assert base64.b64decode(answer["item"]) == mutable.item.value
            assert answer["seq"] == seq


async def test_writers_of_both_kinds_take_turns(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    for turn in range(3):
        ours_put = await ours.put_mutable(OWNER, f"ours {turn}")
        assert ours_put.item.seq == 2 * turn + 1
        put = await foreign.do(
            "dht_put_mutable", seed=OWNER.seed.hex(), public_key=OWNER.public_key.hex(), value=f"theirs {turn}"
        )
        assert put["seq"] == 2 * turn + 2
    found = await ours.get_mutable(OWNER.public_key)
    assert found is not None
    assert found.decoded() == b"theirs 2"


async def test_samples_in_both_directions(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    empty = await ours.sample(foreign.address)
    assert empty is not None
    assert (empty.info_hashes, empty.stored_count) == ((), 0)

    info_hashes = {bytes([number]) * 20 for number in range(5)}
    for info_hash in info_hashes:
        await ours.announce(info_hash, port=7000)  # libtorrent keeps it
    sample = await ours.sample(foreign.address)
    assert sample is not None
    assert {bytes(info_hash) for info_hash in sample.info_hashes} == info_hashes
    assert sample.stored_count == 5
    assert sample.interval_s == 21600

    async def is_stored() -> bool:
        await foreign.do("dht_announce", info_hash=INFO_HASH.hex(), port=7001)
        return ours.statistics().stored_torrents > 0

    await wait_until(is_stored, what="libtorrent announced to us")
    answer = await foreign.do("dht_sample", host=ours.address.host, port=ours.address.port, target=bytes(20).hex())
    assert answer["samples"] == [INFO_HASH.hex()]
    assert answer["num"] == 1


async def test_libtorrent_counts_our_seeds(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    await ours.announce(INFO_HASH, port=7001, seed=True)
    async with MainlineNode(host="127.0.0.2", bootstrap=[foreign.address], config=CONFIG) as other:
        await other.announce(INFO_HASH, port=7002)
        report = await other.scrape(INFO_HASH)
    assert round(report.seeds) == 1
    assert round(report.downloaders) == 1
    assert report.counted_by >= 1


async def test_we_count_libtorrents_seeds(ours: MainlineNode, reader: MainlineNode, foreign: LibtorrentPeer) -> None:
    async def is_stored() -> bool:
        await foreign.do("dht_announce", info_hash=INFO_HASH.hex(), port=7001, seed=True)
        return ours.statistics().stored_peers > 0

    await wait_until(is_stored, what="libtorrent announced to us")
    report = await reader.scrape(INFO_HASH)
    assert (round(report.seeds), round(report.downloaders)) == (1, 0)
    async with reader.find_peers(INFO_HASH) as lookup:
        assert [peer async for peer in lookup] == [Address("127.0.0.1", 7001)]
    async with reader.find_peers(INFO_HASH, no_seeds=True) as lookup:
        assert [peer async for peer in lookup] == []


async def test_answers_of_libtorrent_hold_what_its_source_says(ours: MainlineNode, foreign: LibtorrentPeer) -> None:
    report = await ours.put_mutable(OWNER, bytes(990))
    (driver,) = ours._networks.drivers
    outcome = await ours._networks.send(driver, foreign.address, GetItem(report.item.target))
    assert isinstance(outcome.response, Response)
    assert outcome.response.item is not None
    assert outcome.response.item.value == report.item.value
    assert len(outcome.response.nodes) == 1, "libtorrent names nodes beside the longest item"
    told = await ours._networks.send(driver, foreign.address, GetItem(report.item.target, seq=report.item.seq))
    assert isinstance(told.response, Response)
    assert told.response.item is not None
    assert (told.response.item.seq, told.response.item.value) == (report.item.seq, None)
