"""`kad p2p` with go-libp2p, and with itself."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.interop.kad import Kad, run
from tests.interop.p2p_peers import go_peer
from transfer import PrivateKey

pytestmark = pytest.mark.interop


async def test_a_node_is_called_by_go_and_asked_by_the_other_commands(tmp_path: Path) -> None:
    key_file = tmp_path / "host.key"
    node = Kad("p2p", "node", "--listen", "/ip4/127.0.0.1/tcp/0", "--identity", key_file)
    async with node, go_peer() as go:
        listening = await node.wait_event("listening")
        (address,) = listening["addresses"]
        assert address.endswith(f"/p2p/{listening['peer_id']}")
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert str(PrivateKey.from_bytes(key_file.read_bytes()).peer_id) == listening["peer_id"]

        await go.connect(address)
        await node.wait_event("connected", peer_id=go.peer_id, is_inbound=True)
        identified = await node.wait_event("identified", peer_id=go.peer_id)
        assert identified["agent"].startswith("p2pd/")

        pinged = await run("p2p", "ping", go.address, "-n", 2)
        assert [event["number"] for event in pinged.events] == [1, 2]
        assert {event["peer_id"] for event in pinged.events} == {go.peer_id}
        (asked,) = (await run("p2p", "identify", address, "--identity", key_file.with_name("other.key"))).events
        assert asked["peer_id"] == listening["peer_id"]
        assert (asked["security"], asked["muxer"], asked["is_signed"]) == ("/noise", "/yamux/1.0.0", True)
        assert "/ipfs/ping/1.0.0" in asked["protocols"]

        wrong = await run("p2p", "ping", address.replace(listening["peer_id"], go.peer_id))
        assert wrong.exit_code == 1
        assert f"the other side is {listening['peer_id']}, not {go.peer_id}" in wrong.stderr
        assert (await node.interrupt()).done
