"""Torrents made by mktorrent and libtorrent open here, and ours open in libtorrent, with the same content."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import libtorrent as lt
import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage
from tests.interop.require import require_program

pytestmark = pytest.mark.interop

TIERS = (("http://127.0.0.1:1/announce", "udp://127.0.0.1:2/announce"), ("http://127.0.0.1:3/announce",))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film ü.mkv"
    path.write_bytes(random.Random(1).randbytes(300_001))
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    content = random.Random(2)
    folder = tmp_path / "album"
    sizes = {"cd 1/01 a.flac": 70_000, "cd 1/02 b.flac": 32_768, "cd 1/.hidden": 1, "cover.jpg": 0, "z/y/x": 99_999}
    for name, size in sizes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.randbytes(size))
    return folder


def mktorrent(source: Path, output: Path, *options: str) -> Metainfo:
    program = require_program("mktorrent", "mktorrent")
    command = [program, *options, "-o", str(output), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return Metainfo.from_file(output)


@pytest.mark.parametrize("shared", ["film", "album"])
@pytest.mark.parametrize("exponent", [15, 18])
def test_mktorrent_and_we_make_the_same_torrent(
    shared: str, exponent: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source: Path = request.getfixturevalue(shared)
    theirs = mktorrent(source, tmp_path / "x.torrent", "-l", str(exponent))
    ours = create_metainfo(source, piece_length=1 << exponent)
    assert theirs.piece_length == 1 << exponent
    assert theirs.piece_hashes == ours.piece_hashes
    assert theirs.files == ours.files
    assert theirs.info_hash == ours.info_hash
    assert theirs.created_by is not None
    assert theirs.created_by.startswith("mktorrent")
    assert theirs.creation_date is not None


def test_what_mktorrent_says_beside_the_content(film: Path, tmp_path: Path) -> None:
    tiers = [option for tier in TIERS for option in ("-a", ",".join(tier))]
    theirs = mktorrent(film, tmp_path / "x.torrent", *tiers, "-p", "-c", "a comment", "-w", "http://127.0.0.1:4/film")
    assert theirs.trackers == TIERS
    assert theirs.private
    assert theirs.comment == "a comment"
    assert theirs.web_seeds == ("http://127.0.0.1:4/film",)
    ours = create_metainfo(film, piece_length=theirs.piece_length, trackers=TIERS, private=True)
    assert ours.info_hash == theirs.info_hash
    assert ours.trackers == theirs.trackers


@pytest.mark.parametrize("shared", ["film", "album"])
@pytest.mark.parametrize("private", [False, True])
def test_libtorrent_opens_ours(shared: str, private: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source: Path = request.getfixturevalue(shared)
    ours = create_metainfo(source, trackers=TIERS, private=private, comment="c", creation_date=1_700_000_000)
    path = tmp_path / "ours.torrent"
    path.write_bytes(ours.to_bytes())
    loaded = lt.load_torrent_file(str(path))
    theirs = loaded.ti
    assert theirs is not None
    assert theirs.info_hashes().v1.to_bytes() == ours.info_hash
    assert not theirs.info_hashes().has_v2()
    assert theirs.name() == ours.name
    assert theirs.priv() == private
    assert theirs.piece_length() == ours.piece_length
    assert [theirs.hash_for_piece(index) for index in range(theirs.num_pieces())] == [
        ours.piece_hash(index) for index in range(ours.piece_count)
    ]
    assert files_of(theirs) == [(str(entry), entry.length, entry.offset) for entry in ours.files]
    expected = [(url, number) for number, tier in enumerate(TIERS) for url in tier]
    assert list(zip(loaded.trackers, loaded.tracker_tiers, strict=True)) == expected
    assert (loaded.comment, loaded.created_by, loaded.creation_date) == ("c", "kademlia-core", 1_700_000_000)


def test_we_open_libtorrents(album: Path) -> None:
    creator = lt.create_torrent(lt.list_files(str(album)), 1 << 15, lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(album.parent))
    for number, tier in enumerate(TIERS):
        for url in tier:
            creator.add_tracker(url, number)
    creator.set_priv(True)
    data = lt.bencode(creator.generate())
    ours = Metainfo.from_bytes(data)
    theirs = lt.torrent_info(data)
    assert ours.info_hash == theirs.info_hashes().v1.to_bytes()
    assert ours.trackers == TIERS
    assert ours.private
    assert [(str(entry), entry.length, entry.offset) for entry in ours.files] == files_of(theirs)
    storage = FileStorage(ours.files, album.parent, writable=False)
    storage.prepare()
    assert all(right for _, right in verify_pieces(ours, storage))
    storage.close()


def test_a_hybrid_of_libtorrent_is_used_through_its_version_1_side(album: Path) -> None:
    creator = lt.create_torrent(lt.list_files(str(album)), 1 << 15)
    lt.set_piece_hashes(creator, str(album.parent))
    data = lt.bencode(creator.generate())
    ours = Metainfo.from_bytes(data)
    theirs = lt.torrent_info(data)
    assert theirs.info_hashes().has_v2()
    assert ours.info_hash == theirs.info_hashes().v1.to_bytes()
    assert any(entry.is_padding for entry in ours.files)
    on_disk = {path.relative_to(album.parent).as_posix() for path in album.rglob("*") if path.is_file()}
    assert {str(entry) for entry in ours.visible_files} == on_disk
    storage = FileStorage(ours.files, album.parent, writable=False)
    storage.prepare()
    assert all(right for _, right in verify_pieces(ours, storage))
    storage.close()


def test_libtorrent_reads_our_magnet_link_and_we_read_its(film: Path) -> None:
    ours = create_metainfo(film, trackers=TIERS)
    theirs = lt.parse_magnet_uri(ours.magnet_link())
    assert theirs.info_hashes.v1.to_bytes() == ours.info_hash
    assert theirs.name == film.name
    assert list(theirs.trackers) == [url for tier in TIERS for url in tier]
    magnet = Magnet.parse(lt.make_magnet_uri(lt.torrent_info(ours.to_bytes())))
    assert magnet.info_hash == ours.info_hash
    assert magnet.name == film.name
    assert magnet.trackers == ours.magnet().trackers


def files_of(torrent: lt.torrent_info) -> list[tuple[str, int, int]]:
    layout = torrent.layout()
    return [
        (layout.file_path(index), layout.file_size(index), layout.file_offset(index))
        for index in range(layout.num_files())
    ]
