"""Torrents whose names cannot be stored as they are: libtorrent and we put the same files at the same places."""

from __future__ import annotations

import hashlib
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bittorrent import Metainfo, Session
from bittorrent.files.names import NameRules
from bittorrent.storage.files import FileStorage
from tests.interop.libtorrent_peer import LibtorrentPeer
from transfer.wire import bencode

pytestmark = pytest.mark.interop

POSIX = NameRules(is_windows=False, ignores_case=False)
LIKE_LIBTORRENT = NameRules(is_windows=False, ignores_case=True)  # it numbers names that differ in case on each system

# What follows a broken sequence of bytes is a broken one again, or a byte that libtorrent does not swallow with it.
BROKEN = [
    b"\xc0\xae",
    b"\xe0\x80\xae",
    b"\xf0\x80\x80\xae",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x9f\x9f\x9f\x9f",
    b"\xff",
    b"\x80",
]
PARTS = st.sampled_from(
    [
        *(b"a", b"A", b"b", b".", b"..", b"/", b"\\", b"\0", b"\n", b"\x7f", b" ", b".bin", b"CON", b":", b"?", b"_"),
        *("\u202e".encode(), "\u200e".encode(), "\u2066".encode(), "\u200b".encode(), "\ufeff".encode()),
        *("\x85".encode(), "\u65e5\u672c".encode(), "\u0645".encode(), "\U0001f600".encode()),
        *BROKEN,
    ]
)
NAMES = st.lists(PARTS, max_size=5).map(b"".join)
LONG = st.builds(
    lambda stem, count, end: stem * -(-count // len(stem)) + end,
    st.sampled_from([b"x", "\u65e5".encode(), b"x" * 100 + b"."]),
    st.integers(256, 400),
    st.sampled_from([b"", b".mkv", b".tar.gz", b".\n", b".abcdefgh", b".abcdefghi", b" ", b"/"]),
)
PATHS = st.lists(NAMES | LONG, min_size=1, max_size=3)


def torrent(name: bytes, paths: list[list[bytes]], **more: Any) -> bytes:
    info = {
        "name": name,
        "piece length": 1 << 14,
        "pieces": bytes(20),
        "files": [{"length": 1, "path": path} for path in paths],
        **more,
    }
    return bencode.encode({"info": info})


def libtorrent_places(data: bytes) -> list[str]:
    params: Any = lt.load_torrent_buffer(data)
    layout, renamed = params.ti.layout(), params.renamed_files
    return [renamed.get(number, layout.file_path(number)) for number in range(layout.num_files())]


@given(NAMES | LONG, st.lists(PATHS, min_size=1, max_size=6))
@example(b"n", [[b""], [b"a", b"", b"b"], [b"..", b"x"], [b"."], [b"/a/"], [b"abc..."], [b"CON"]])
@example(
    b"n", [[b"a.bin"], [b"a.bin"], [b"A.BIN"], [b"a.bin", b"below"], [b".x"], [b".x"], [b"x.tar.gz"], [b"x.tar.gz"]]
)
def test_we_and_libtorrent_store_files_at_the_same_places(name: bytes, paths: list[list[bytes]]) -> None:
    data = torrent(name, paths)
    theirs = libtorrent_places(data)
    ours = [str(entry) for entry in Metainfo.from_bytes(data, rules=LIKE_LIBTORRENT).files]
    if len({place.lower() for place in theirs}) == len(theirs):  # libtorrent 2.1 may give two files one place
        assert ours == theirs
    else:
        assert len({place.lower() for place in ours}) == len(ours)


def test_libtorrent_puts_two_files_at_one_place_where_we_do_not() -> None:
    """Why the comparison above has an exception; when this fails, libtorrent has mended it."""
    data = torrent(b"n", [[b"a"], [b"a"], [b"a.1"]])
    assert libtorrent_places(data) == ["n/a", "n/a.1", "n/a.1"]
    assert [str(entry) for entry in Metainfo.from_bytes(data).files] == ["n/a", "n/a.2", "n/a.1"]


def hostile_torrent() -> tuple[Metainfo, bytes]:
    paths = [
        [b"sub/dir", b"x\\y.bin"],
        [b"", b"empty.bin"],
        [b"..", b"up.bin"],
        [b"twice.bin"],
        [b"twice.bin"],
        [b"twice.bin", b"below"],
        [b"bell\a.bin"],
        [b"broken\xff.bin"],
        ["\u202egnp.exe".encode()],
        [b"n" * 300 + b".bin"],
        [b"CON"],
        [b"trailing. "],
    ]
    content = random.Random(15).randbytes(len(paths) * 20_000)
    hashes = [hashlib.sha1(content[at : at + (1 << 14)]).digest() for at in range(0, len(content), 1 << 14)]
    files = [{"length": 20_000, "path": path} for path in paths]
    data = torrent(b"hos/tile", paths, files=files, pieces=b"".join(hashes))
    return Metainfo.from_bytes(data, rules=POSIX), content


def tree(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".kad/")}


@pytest.mark.parametrize("by_magnet", [False, True])
async def test_such_a_torrent_is_exchanged_and_looks_the_same_on_both_sides(tmp_path: Path, by_magnet: bool) -> None:
    """rtorrent#1969, #1960, libtorrent#398, #6141, transmission#6187, aria2#1131, qBittorrent#7038, qui#2152."""
    metainfo, content = hostile_torrent()
    with closing(FileStorage(metainfo.files, tmp_path / "seed")) as storage:
        storage.write(0, content)
    source = metainfo.magnet() if by_magnet else metainfo
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as ours,
    ):
        await (await seed.add(metainfo, seed_only=True)).wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", source)
        await libtorrent.connect(info_hash, seed.address)
        await libtorrent.wait_complete(info_hash)
        await seed.aclose()
        copy = await ours.add(source, peers=[libtorrent.address])
        await copy.wait_complete()
        assert copy.name == "hostile"
    assert tree(tmp_path / "theirs") == tree(tmp_path / "seed")
    assert tree(tmp_path / "ours") == tree(tmp_path / "seed")
    assert len(tree(tmp_path / "seed")) == len(metainfo.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "seed", "theirs"]
