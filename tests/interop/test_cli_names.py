"""`kad` where no name server answers: what is there by IP address is fetched, and nothing is waited for in the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bittorrent.aio.session import Session
from bittorrent.creating.create import create_metainfo
from tests.interop.kad import ANY, ROOT, Kad
from transfer.address import Address

pytestmark = pytest.mark.interop

SILENT_NAME_SERVICE = """
import socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
"""


async def test_a_download_from_an_address_does_not_wait_for_names(tmp_path: Path) -> None:
    """The look-ups never end, so that a program that waited for one would not either."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(SILENT_NAME_SERVICE)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file").write_bytes(os.urandom(100_000))
    torrent = tmp_path / "file.torrent"
    torrent.write_bytes(create_metainfo(shared / "file", trackers=["http://tracker.example/announce"]).to_bytes())
    async with Session(shared, host="127.0.0.1", port=0) as session:
        await (await session.add(torrent, seed_only=True)).wait_complete()
        peer = Address("127.0.0.1", session.address.port)
        arguments = ("get", torrent, "-o", tmp_path / "here", "--peer", peer, "--listen", ANY)
        environment = {"PYTHONPATH": os.pathsep.join((str(tmp_path / "python"), str(ROOT)))}
        async with Kad(*arguments, environment=environment) as kad:
            assert (await kad.finish()).done["bytes"] == 100_000
    assert (tmp_path / "here" / "file").read_bytes() == (shared / "file").read_bytes()
