"""Version 2 and hybrid torrents: ours are, byte for byte, those that libtorrent makes, and it finds them right."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest

from bittorrent import FileStorage, Metainfo, TorrentFormat, create_metainfo, verify_pieces
from tests.interop.libtorrent_peer import LibtorrentPeer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(sys.platform == "win32", reason="executable files are not marked"),
]

KIB = 1024
FORMS = [TorrentFormat.V2, TorrentFormat.HYBRID]
NAMES = ["a", "b", "c/x", "c/y", "d/e/f", "d/g", "zz", "é", "B", "run.sh", "Ω/1"]
SIZES = [0, 1, 16383, 16384, 16385, 32768, 40_000, 65535, 65536, 65537, 131_072, 200_000, 16384 * 7]


def draw_folder(rng: random.Random, folder: Path) -> Path:
    """Some files of odd sizes, some of them executable, in folders."""
    folder.mkdir()
    for name in rng.sample(NAMES, rng.randint(2, 7)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.choice([*SIZES, rng.randrange(300_000)])))
        if rng.random() < 0.2:
            path.chmod(0o755)
    (folder / "m").write_bytes(rng.randbytes(5))  # never empty altogether
    return folder


def theirs(path: Path, piece_length: int, form: TorrentFormat) -> Any:
    flags = lt.create_torrent.v2_only if form is TorrentFormat.V2 else 0
    creator = lt.create_torrent(lt.list_files(str(path)), piece_length, flags)
    lt.set_piece_hashes(creator, str(path.parent))
    return creator.generate()


def check_same(path: Path, piece_length: int, form: TorrentFormat) -> Metainfo:
    made = theirs(path, piece_length, form)
    ours = create_metainfo(path, format=form, piece_length=piece_length, attributes=True)
    assert ours.info_bytes == lt.bencode(made[b"info"])
    assert ours.layers == made[b"piece layers"]
    loaded = lt.torrent_info(ours.to_bytes()).info_hashes()
    assert loaded.v2.to_bytes() == ours.torrent_id.v2
    assert loaded.v1.to_bytes() == (ours.torrent_id.v1 or bytes(20))
    return ours


@pytest.mark.parametrize("form", FORMS)
def test_folders(form: TorrentFormat, tmp_path: Path) -> None:
    rng = random.Random(52)
    for number in range(20):
        check_same(draw_folder(rng, tmp_path / str(number)), 16 * KIB << rng.randrange(4), form)


@pytest.mark.parametrize("form", FORMS)
def test_single_files(form: TorrentFormat, tmp_path: Path) -> None:
    rng = random.Random(53)
    path = tmp_path / "film"
    for size in (*SIZES[1:], 16384 * 40, 1_000_003):
        path.write_bytes(rng.randbytes(size))
        check_same(path, 16 * KIB << rng.randrange(4), form)


def test_libtorrent_reads_which_torrents_are_related(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"x")
    ours = create_metainfo(tmp_path / "film", similar=[b"s" * 20], collections=["films"])
    loaded = lt.torrent_info(ours.to_bytes())
    assert [found.to_bytes() for found in loaded.similar_torrents()] == [b"s" * 20]
    assert loaded.collections() == ["films"]
    creator = lt.create_torrent(lt.list_files(str(tmp_path / "film")), 16 * KIB, lt.create_torrent.v1_only)
    creator.add_similar_torrent(lt.sha1_hash(b"s" * 20))
    creator.add_collection("films")
    lt.set_piece_hashes(creator, str(tmp_path))
    assert lt.bencode(creator.generate()[b"info"]) == ours.info_bytes


@pytest.mark.parametrize("form", FORMS)
async def test_libtorrent_finds_everything_right(form: TorrentFormat, tmp_path: Path) -> None:
    ours = check_same(draw_folder(random.Random(54), tmp_path / "album"), 32 * KIB, form)
    async with LibtorrentPeer() as peer:
        info_hash = await peer.add(tmp_path, ours)
        status = await peer.status(info_hash)
        assert (status["progress"], status["is_finished"], status["error"]) == (1.0, True, "")
        assert await peer.pieces(info_hash) == set(range(ours.piece_count))


def test_a_hybrid_whose_names_libtorrent_puts_in_an_order_that_it_refuses(tmp_path: Path) -> None:
    """It lists `a.txt` before what is in `a`, and its tree has it behind. Ours has one order, which it loads."""
    for name in ("a/x", "a.txt"):
        (tmp_path / "album" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "album" / name).write_bytes(os.urandom(20_000))
    with pytest.raises(RuntimeError, match="v1 and v2 file metadata does not match"):
        lt.torrent_info(lt.bencode(theirs(tmp_path / "album", 16 * KIB, TorrentFormat.HYBRID)))
    ours = create_metainfo(tmp_path / "album", format="hybrid", piece_length=16 * KIB)
    loaded = lt.torrent_info(ours.to_bytes())
    assert loaded.info_hashes().v2.to_bytes() == ours.torrent_id.v2


@pytest.mark.parametrize("form", FORMS)
def test_what_libtorrent_makes_is_right_here(form: TorrentFormat, tmp_path: Path) -> None:
    folder = draw_folder(random.Random(55), tmp_path / "album")
    metainfo = Metainfo.from_bytes(lt.bencode(theirs(folder, 16 * KIB, form)))
    storage = FileStorage(metainfo.files, tmp_path, writable=False)
    try:
        storage.prepare()
        assert all(is_right for _, is_right in verify_pieces(metainfo, storage))
        path = next(entry for entry in metainfo.visible_files if entry.length > 40_000)
        place = tmp_path.joinpath(*path.path)
        content = bytearray(place.read_bytes())
        content[20_000] ^= 1
        place.write_bytes(content)
        bad = [index for index, is_right in verify_pieces(metainfo, storage) if not is_right]
        assert bad == [metainfo.geometry.piece_at(path.offset + 20_000)]
    finally:
        storage.close()
