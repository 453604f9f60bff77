from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from kademlia_core import (
    CasMismatchError,
    ImmutableItem,
    ItemError,
    MainlineConfig,
    MainlineNode,
    MutableItem,
    NodeClosedError,
    SigningKey,
)
from kademlia_core.mainline.config import ItemStoreConfig, RepetitionConfig
from kademlia_core.mainline.item_errors import BadSignatureError, SaltTooBigError, StaleSequenceError, ValueTooBigError
from tests.unit.kademlia_core.aio.simulated_network import SimulatedNetwork, in_network_of
from transfer.wire import bencode

OWNER = SigningKey(b"s" * 32)
# An hour of a DHT is half a minute of CPU time: here everything is forgotten, and repeated, in minutes.
FORGETFUL = MainlineConfig(
    item_store=ItemStoreConfig(lifetime_s=120.0),
    repetition=RepetitionConfig(republish_interval_s=60.0, retry_s=5.0, poll_s=20.0, poll_max_s=60.0),
    upkeep_interval_s=20.0,
)
NARROW = MainlineConfig(item_store=ItemStoreConfig(max_items_per_source=1))


async def value_of(node: MainlineNode, salt: bytes = b"") -> bencode.Value | None:
    item = await node.get_mutable(OWNER.public_key, salt)
    return None if item is None else item.decoded()


@in_network_of(20)
async def test_any_value_is_found_by_its_hash(nodes: SimulatedNetwork) -> None:
    values: list[bencode.Encodable] = ["text", b"\x00\xff", 7, ["list", {"of": 1}], bytes(996)]
    for value in values:
        report = await nodes[3].put_immutable(value)
        assert len(report.accepted_by) == 8
        assert report.refused == ()
        found = await nodes[17].get_immutable(report.item.target)
        assert found == report.item == ImmutableItem.of(value)
    raw = ImmutableItem(b"d1:ai1e1:bi2ee")
    await nodes[4].put_immutable(raw)
    assert await nodes[5].get_immutable(bytes(raw.target)) == raw
    assert await nodes[5].get_immutable(bytes(20)) is None
    with pytest.raises(ValueTooBigError):
        await nodes[3].put_immutable(bytes(997))


@in_network_of(20)
async def test_versions_follow_each_other(nodes: SimulatedNetwork) -> None:
    assert await value_of(nodes[1]) is None
    first = await nodes[2].put_mutable(OWNER, "one")
    assert first.item.seq == 1
    assert len(first.accepted_by) == 8
    second = await nodes[3].put_mutable(OWNER, ["two"])
    assert second.item.seq == 2
    assert await value_of(nodes[4]) == [b"two"]
    salted = await nodes[2].put_mutable(OWNER, "salted", b"salt")
    assert salted.item.seq == 1
    assert await value_of(nodes[5], b"salt") == b"salted"
    assert await value_of(nodes[5]) == [b"two"]
    assert await nodes[6].get_mutable(OWNER.public_key, seq=1) == second.item
    assert await nodes[6].get_mutable(OWNER.public_key, seq=2) is None


@in_network_of(20)
async def test_the_newest_version_wins_wherever_it_is(nodes: SimulatedNetwork) -> None:
    """Only one node has it: a lookup that stopped at the first answer would miss it nearly always."""
    report = await nodes[2].put_mutable(OWNER, "old")
    newest = MutableItem.sign(OWNER, "new", seq=9)
    holder = next(node for node in nodes if node.node_id == report.accepted_by[5].key)
    (driver,) = holder._networks.drivers
    driver.core._mainline.items.put(newest, source="11.7.7.7", now=driver.now)
    for node in nodes[10:15]:
        async with node.find_mutable(OWNER.public_key) as lookup:
            seen = [item.seq async for item in lookup]
        assert seen == sorted(set(seen))
        assert seen[-1] == 9
    assert (await nodes[3].put_mutable(OWNER, "newer")).item.seq == 10
    assert await value_of(nodes[4]) == b"newer"


@in_network_of(12)
async def test_who_has_no_key_can_store_what_was_signed_elsewhere(nodes: SimulatedNetwork) -> None:
    signed = [MutableItem.sign(OWNER, "signed elsewhere", seq=seq) for seq in (7, 6)]
    stored = await nodes[1].put_signed(signed[0])
    assert len(stored.accepted_by) == 8
    assert await nodes[9].get_mutable(OWNER.public_key) == signed[0]
    late = await nodes[1].put_signed(signed[1])
    assert late.accepted_by == ()
    assert {refusal.code for refusal in late.refused} == {302}
    assert {type(refusal.error) for refusal in late.refused} == {StaleSequenceError}
    forged = await nodes[1].put_signed(MutableItem(OWNER.public_key, 8, b"1:x", bytes(64)))
    assert {type(refusal.error) for refusal in forged.refused} == {BadSignatureError}


@in_network_of(12)
async def test_cas_is_of_the_present_version_or_nothing(nodes: SimulatedNetwork) -> None:
    await nodes[1].put_mutable(OWNER, "one", cas=7)  # nothing there, so nothing to compare
    await nodes[2].put_mutable(OWNER, "two", cas=1)
    with pytest.raises(CasMismatchError, match="present version is 2"):
        await nodes[3].put_mutable(OWNER, "three", cas=1)
    assert await value_of(nodes[4]) == b"two"


@in_network_of(16)
async def test_changes_by_many_writers_at_once_are_all_kept(nodes: SimulatedNetwork) -> None:
    def adding(name: str) -> object:
        def update(present: MutableItem | None) -> bencode.Encodable:
            names = present.decoded() if present is not None else []
            assert isinstance(names, list)
            return [*names, name]

        return update

    reports = await asyncio.gather(
        *(nodes[number].put_mutable(OWNER, adding(f"writer {number}")) for number in range(1, 4))  # type: ignore[arg-type]
    )
    assert all(report.accepted_by for report in reports)
    names = await value_of(nodes[10])
    assert isinstance(names, list)
    assert sorted(map(str, names)) == [f"b'writer {number}'" for number in (1, 2, 3)]
    assert any(report.item.seq > 1 for report in reports)


@in_network_of(9, NARROW)
async def test_refusals_name_the_node_and_the_reason(nodes: SimulatedNetwork) -> None:
    await nodes[1].put_immutable("one")
    report = await nodes[1].put_immutable("two")
    assert len(report.refused) == 8
    assert report.accepted_by == ()
    assert {refusal.contact.key for refusal in report.refused} == {node.node_id for node in nodes} - {nodes[1].node_id}
    assert {(refusal.code, refusal.text) for refusal in report.refused} == {(202, "too many items from this network")}


@in_network_of(2)
async def test_keys_and_salts_are_checked_before_anything_is_sent(nodes: SimulatedNetwork) -> None:
    sent = nodes[1].statistics().datagrams_sent
    with pytest.raises(ItemError):
        await nodes[1].get_mutable(b"short")
    with pytest.raises(SaltTooBigError):
        nodes[1].follow(OWNER.public_key, bytes(65))
    assert nodes[1].statistics().datagrams_sent == sent


@in_network_of(16, FORGETFUL)
async def test_what_is_kept_outlives_the_memory_of_nodes(nodes: SimulatedNetwork) -> None:
    kept_item, lost_item = ImmutableItem.of("kept"), ImmutableItem.of("lost")
    signed = MutableItem.sign(OWNER, "kept, too", seq=3)
    await nodes[1].put_immutable(lost_item)
    async with nodes[2].keep(kept_item) as kept, nodes[3].keep(signed) as kept_signed:
        assert (await kept.wait_report()).item == kept_item
        assert (await kept_signed.wait_report()).item == signed
        await asyncio.sleep(240)
        assert await nodes[9].get_immutable(kept_item.target) == kept_item
        assert await nodes[9].get_immutable(lost_item.target) is None
        assert await nodes[9].get_mutable(OWNER.public_key) == signed

        await nodes[4].put_mutable(OWNER, "newer")
        await asyncio.sleep(180)
        assert (await kept_signed.wait_report()).item.seq == 4, "the newer version is kept from now on"
        assert await value_of(nodes[9]) == b"newer"
    await asyncio.sleep(180)
    assert await nodes[9].get_immutable(kept_item.target) is None
    assert await value_of(nodes[9]) is None


@in_network_of(6, FORGETFUL)
async def test_a_keeper_survives_being_cut_off(nodes: SimulatedNetwork) -> None:
    item = ImmutableItem.of("patience")
    fault = nodes.simulation.partition(["11.0.5.1"], [f"11.0.{number}.1" for number in range(5)])
    async with nodes[5].keep(item) as kept:
        await asyncio.sleep(100)
        assert kept.report is None
        fault.heal()
        async with asyncio.timeout(120):
            await kept.wait_report()
        assert await nodes[1].get_immutable(item.target) == item


@in_network_of(3)
async def test_a_keeper_is_used_once_and_ends_with_its_node(nodes: SimulatedNetwork) -> None:
    async with nodes[1].keep(ImmutableItem.of("x")) as kept:
        await kept.wait_report()
    with pytest.raises(NodeClosedError):
        await kept.__aenter__()
    other = nodes[2].keep(ImmutableItem.of("y"))
    with pytest.raises(NodeClosedError):
        await other.wait_report()
    await nodes[2].aclose()
    async with other:
        with pytest.raises(NodeClosedError):
            await other.wait_report()


@in_network_of(16, FORGETFUL)
async def test_followers_see_each_version_once(nodes: SimulatedNetwork) -> None:
    await nodes[1].put_mutable(OWNER, "one")
    async with nodes[2].follow(OWNER.public_key) as versions:
        assert (await anext(versions)).decoded() == b"one"
        waiting = asyncio.ensure_future(anext(versions))
        await asyncio.sleep(100)
        assert not waiting.done()
        await nodes[3].put_mutable(OWNER, "two")
        assert (await waiting).decoded() == b"two"
        await nodes[1].put_mutable(OWNER, "three")
        await nodes[1].put_mutable(OWNER, "four")
        assert (await anext(versions)).decoded() == b"four"
        assert versions.item is not None
        assert versions.item.seq == 4
    async with nodes[5].follow(OWNER.public_key, since=3) as versions:
        assert (await anext(versions)).seq == 4


@in_network_of(12, FORGETFUL)
async def test_waiting_for_a_version_can_be_given_up_and_taken_up_again(nodes: SimulatedNetwork) -> None:
    async with nodes[2].follow(OWNER.public_key) as versions:
        for pause_s in (0.01, 0.2, 10.0, 50.0):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await anext(versions)
        await nodes[1].put_mutable(OWNER, "at last")
        assert (await anext(versions)).decoded() == b"at last"


@in_network_of(12, FORGETFUL)
async def test_a_follower_asks_ever_less_often(nodes: SimulatedNetwork) -> None:
    async with nodes[2].follow(OWNER.public_key) as versions:
        searches: list[float] = []
        find = versions._find

        def counted(seq: int | None) -> object:
            searches.append(asyncio.get_running_loop().time())
            return find(seq)

        versions._find = counted  # type: ignore[assignment]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(500):
                await anext(versions)
        pauses = [later - earlier for earlier, later in pairwise(searches)]
        assert 17 < pauses[0] < 23
        assert 34 < pauses[1] < 46
        assert all(53 < pause < 67 for pause in pauses[2:])
        assert 8 <= len(searches) <= 11


@in_network_of(16, FORGETFUL)
async def test_a_follower_keeps_what_it_saw_alive_if_asked_to(nodes: SimulatedNetwork) -> None:
    await nodes[1].put_mutable(OWNER, "orphan")
    async with nodes[2].follow(OWNER.public_key, republish=True) as versions:
        await anext(versions)
        await asyncio.sleep(300)
        assert await value_of(nodes[9]) == b"orphan"
    await asyncio.sleep(180)
    assert await value_of(nodes[9]) is None


@in_network_of(1)
async def test_what_is_used_wrongly_says_so(nodes: SimulatedNetwork) -> None:
    follower = nodes[0].follow(OWNER.public_key)
    with pytest.raises(NodeClosedError):
        await anext(follower)
    async with follower:
        pass
    with pytest.raises(NodeClosedError):
        await follower.__aenter__()
