"""What a tracker wants to tell people is told once (libtorrent#161)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent import Session, create_metainfo
from bittorrent.events import TrackerWarned
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.service.tracker_warnings import TrackerWarnings
from tests.unit.bittorrent.aio.test_tracker import http_tracker


async def test_a_warning_is_said_once_and_without_the_passkey(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"d8:intervali1800e5:peers0:15:warning message14:old\x1b[1mclient!ee")

    (tmp_path / "file").write_bytes(b"x")
    warnings, view = TrackerWarnings(), ServiceView(Output(as_json=True), several=False)
    async with http_tracker(answer) as url, Session(tmp_path / "leech", host="127.0.0.1") as session:
        metainfo = create_metainfo(tmp_path / "file", trackers=[f"{url}/secret/announce"])
        torrent = await session.add(metainfo)
        async with asyncio.timeout(10):
            async for event in torrent.events():
                if isinstance(event, TrackerWarned):
                    break
        for _ in range(3):
            for warning in warnings.look(torrent):
                view.show(warning)
    captured = capsys.readouterr()
    assert captured.err == f"kad: file: the tracker {url} warns: old [1mclient!\n"
    assert [json.loads(line) for line in captured.out.splitlines()] == [
        {"event": "warning", "info_hash": metainfo.info_hash.hex(), "tracker": url, "message": "old [1mclient!"}
    ]
