from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from kademlia_core import Contact, Key, LookupConfig, MainlineConfig, MainlineNode
from kademlia_core.aio.state_file import StateFile
from kademlia_core.datagram.snapshot import NetworkSnapshot
from transfer.address import Address

FAST = MainlineConfig(
    lookup=LookupConfig(short_timeout_s=0.05), query_timeout_s=0.15, join_retry_s=0.1, upkeep_interval_s=0.05
)
NOWHERE = [("127.0.0.1", 9)]


async def test_a_node_comes_back_as_itself_to_whom_it_knew(tmp_path: Path) -> None:
    state_file = tmp_path / "folder that is made" / "node.state"
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as other:
        async with MainlineNode(
            host="127.0.0.1", bootstrap=[other.address], config=FAST, state_file=state_file
        ) as node:
            await node.wait_joined()
            first_id = node.node_id
        assert [file.name for file in state_file.parent.iterdir()] == ["node.state"]
        async with MainlineNode(host="127.0.0.1", bootstrap=NOWHERE, config=FAST, state_file=state_file) as node:
            await node.wait_joined()
            assert node.node_id == first_id
            assert [contact.key for contact in await node.find_node(bytes(20))] == [other.node_id]
        own_id = Key(1, 160)
        async with MainlineNode(
            host="127.0.0.1", bootstrap=NOWHERE, config=FAST, state_file=state_file, node_id=own_id
        ) as node:
            assert node.node_id == own_id


async def test_a_run_without_a_network_does_not_forget_the_last_one(tmp_path: Path) -> None:
    state_file = tmp_path / "node.state"
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as other:
        for bootstrap in ([other.address], NOWHERE):
            async with MainlineNode(host="127.0.0.1", bootstrap=bootstrap, config=FAST, state_file=state_file) as node:
                await node.wait_joined() if bootstrap is not NOWHERE else None
        (saved,) = StateFile(state_file).load()
        assert [contact.key for contact in saved.contacts] == [other.node_id]


async def test_a_damaged_file_is_a_fresh_start_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state_file = tmp_path / "node.state"
    state_file.write_bytes(b"d4:junk")
    with caplog.at_level(logging.WARNING, "kademlia_core"):
        async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST, state_file=state_file) as node:
            await node.wait_joined()
    assert f"starting without the nodes known before: {state_file}: the snapshot is damaged" in caplog.text
    (saved,) = StateFile(state_file).load()
    assert saved.contacts == ()


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
async def test_a_pipe_in_the_place_of_the_file_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state_file = tmp_path / "node.state"
    os.mkfifo(state_file)
    with caplog.at_level(logging.WARNING, "kademlia_core"):
        async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST, state_file=state_file) as node:
            await node.wait_joined()
    assert f"starting without the nodes known before: {state_file}" in caplog.text
    assert len(StateFile(state_file).load()) == 1, "a file is in its place now"


async def test_a_place_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "kademlia_core"):
        async with MainlineNode(
            host="127.0.0.1", bootstrap=(), config=FAST, state_file=tmp_path / "file" / "node.state"
        ):
            pass
    assert "could not be saved" in caplog.text


async def test_a_network_that_this_run_is_no_part_of_is_not_forgotten(tmp_path: Path) -> None:
    state_file = tmp_path / "node.state"
    absent = NetworkSnapshot(Key(6, 160), True, (Contact(Key(7, 160), Address("2001:db8::1", 6881)),))
    StateFile(state_file).save([absent])
    async with MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST, state_file=state_file) as node:
        await node.wait_joined()
    first, second = StateFile(state_file).load()
    assert not first.is_ipv6
    assert second == absent


async def test_a_node_that_has_lost_its_socket_still_knows_whom_to_save(tmp_path: Path) -> None:
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=(), config=FAST) as other,
        MainlineNode(
            host="127.0.0.1", bootstrap=[other.address], config=FAST, state_file=tmp_path / "node.state"
        ) as node,
    ):
        await node.wait_joined()
        (driver,) = node._networks.drivers
        driver.close()  # as when the network interface goes away
        (saved,) = node._memory.note(driver.core for driver in node._networks.drivers)
        assert [contact.key for contact in saved.contacts] == [other.node_id]
