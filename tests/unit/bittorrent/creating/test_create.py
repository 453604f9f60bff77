"""Making torrents: what is shared, in which order, what is refused before and during the hashing."""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bittorrent.creating.create import choose_piece_length, create_metainfo
from bittorrent.errors import MetainfoError, StorageError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.hasher import Sha1Hasher
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage
from bittorrent.storage.hashing import SourceFile, hash_pieces
from bittorrent.storage.places import content_path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def test_a_single_file(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    (tmp_path / "film").write_bytes(data)
    metainfo = create_metainfo(tmp_path / "film", piece_length=32 * KIB)
    assert metainfo.name == "film"
    assert [entry.path for entry in metainfo.files] == [("film",)]
    assert metainfo.total_bytes == 100_000
    expected = [hashlib.sha1(data[at : at + 32 * KIB]).digest() for at in range(0, len(data), 32 * KIB)]
    assert metainfo.piece_hashes == b"".join(expected)
    assert metainfo.created_by == "kademlia-core"
    assert metainfo.creation_date is None
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo


def test_a_folder_is_ordered_by_path_and_complete(tmp_path: Path) -> None:
    content = {"b": b"3", "a/z": b"1", "a/.hidden": b"0", "a.txt": b"2", "B": b"", "ä": b"4"}
    for name, data in content.items():
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "album" / "no files here").mkdir()
    metainfo = create_metainfo(str(tmp_path / "album") + os.sep)
    # Element by element: everything in the folder `a` comes before the file `a.txt`, though "." sorts before "/".
    assert [str(entry) for entry in metainfo.files] == [
        "album/B",
        "album/a/.hidden",
        "album/a/z",
        "album/a.txt",
        "album/b",
        "album/ä",
    ]
    assert metainfo.piece_hashes == hashlib.sha1(b"01234").digest()


def test_equal_files_give_equal_torrents(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder / "d").mkdir(parents=True)
        for name in ("1", "2", "3") if folder == "x" else ("3", "1", "2"):
            (tmp_path / folder / "d" / name).write_text(name)
    assert create_metainfo(tmp_path / "x" / "d").to_bytes() == create_metainfo(tmp_path / "y" / "d").to_bytes()


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    metainfo = create_metainfo(
        tmp_path / "f",
        trackers=["udp://a:1/announce", ("http://b/", "http://c/"), "udp://a:1/announce"],
        private=True,
        comment="c",
        created_by=None,
        creation_date=1700000000,
    )
    assert metainfo.trackers == (("udp://a:1/announce",), ("http://b/", "http://c/"))
    assert metainfo.private
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == ("c", None, 1700000000)
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    assert create_metainfo(tmp_path / "f").info_hash != metainfo.info_hash


@pytest.mark.parametrize("total_bytes", [1, 16 * KIB, MIB, 100 * MIB, GIB, 20 * GIB, 31 * GIB])
def test_the_automatic_piece_length_gives_up_to_2000_pieces(total_bytes: int) -> None:
    piece_length = choose_piece_length(total_bytes)
    pieces = -(-total_bytes // piece_length)
    assert piece_length & (piece_length - 1) == 0
    assert pieces <= 2000
    assert pieces > 1000 or piece_length == 16 * KIB


def test_the_automatic_piece_length_ends_at_16_mib() -> None:
    assert choose_piece_length(1 << 60) == 16 * MIB


@pytest.mark.parametrize("piece_length", [0, -1, 1, 8 * KIB, 16 * KIB + 1, 48 * KIB, 1 << 29])
def test_a_piece_length_that_others_would_refuse(tmp_path: Path, piece_length: int) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(MetainfoError, match="piece length must be"):
        create_metainfo(tmp_path / "f", piece_length=piece_length)


def test_pieces_too_small_for_so_much_data(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MetainfoError, match="use larger ones"):
        create_metainfo(tmp_path / "f", piece_length=16 * KIB)


def test_progress(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a").write_bytes(bytes(2 * MIB + 5))
    (tmp_path / "d" / "b").write_bytes(bytes(10))
    seen: list[tuple[int, int]] = []
    create_metainfo(tmp_path / "d", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2 * MIB + 15, 2 * MIB + 15)
    assert len(seen) >= 3
    assert seen == sorted(seen)


@pytest.mark.parametrize("sizes", [(5,), (3 * MIB, 0, 7, 20 * MIB + 1), (16 * KIB,) * 70, (1, 40 * KIB, 2)])
def test_hashing_in_threads_gives_the_same(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    for number, size in enumerate(sizes):
        (tmp_path / f"{number:02}").write_bytes(bytes([number + 1]) * size)
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))
    seen: list[int] = []
    with ThreadPoolExecutor(3) as executor:
        metainfo = create_metainfo(
            tmp_path, piece_length=32 * KIB, executor=executor, progress=lambda done, total: seen.append(done)
        )
    cuts = range(0, len(content), 32 * KIB)
    assert metainfo.piece_hashes == b"".join(hashlib.sha1(content[at : at + 32 * KIB]).digest() for at in cuts)
    assert metainfo == create_metainfo(tmp_path, piece_length=32 * KIB)
    assert seen == sorted(seen)
    assert seen[-1] == len(content)


def test_what_changes_is_noticed_in_threads_too(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(30 * MIB))
    found = SourceFile((), str(path), 30 * MIB, path.stat().st_mtime_ns)
    path.write_bytes(bytes(20 * MIB))
    with ThreadPoolExecutor(2) as executor, pytest.raises(StorageError, match="changed while it was read"):
        hash_pieces([found], 16 * KIB, Sha1Hasher(), executor=executor)


def test_files_that_begin_with_a_piece_of_their_own(tmp_path: Path) -> None:
    for name, size in {"a": 20 * KIB, "b": 0, "c": 32 * KIB, "d": 1, "e": 0}.items():
        (tmp_path / name).write_bytes(name.encode() * size)
    metainfo = create_metainfo(tmp_path, piece_length=16 * KIB, align=True)
    assert [(entry.path[-1], entry.offset // KIB, entry.is_padding) for entry in metainfo.files] == [
        ("a", 0, False),
        ("b", 20, False),
        (str(12 * KIB), 20, True),
        ("c", 32, False),
        ("d", 64, False),
        ("e", 64, False),
    ]
    pieces = [b"a" * 16 * KIB, b"a" * 4 * KIB + bytes(12 * KIB), b"c" * 16 * KIB, b"c" * 16 * KIB, b"d"]
    assert metainfo.piece_hashes == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    alone = create_metainfo(tmp_path / "a", piece_length=16 * KIB, align=True)
    assert len(alone.files) == 1


@posix
def test_attributes_are_kept_on_request(tmp_path: Path) -> None:
    shared, outside = tmp_path / "d", tmp_path / "outside"
    (shared / "bin").mkdir(parents=True)
    outside.write_bytes(b"o")
    (shared / "bin" / "tool").write_bytes(b"t")
    (shared / "bin" / "tool").chmod(0o755)
    (shared / ".hidden").write_bytes(b"h")
    (shared / "latest").symlink_to("bin/tool")
    (shared / "sbin").symlink_to(shared / "bin")
    (shared / "copy").symlink_to(outside)
    metainfo = create_metainfo(shared, attributes=True)
    assert [
        (str(entry), entry.length, entry.is_executable, entry.is_hidden, "/".join(entry.link_to))
        for entry in metainfo.files
    ] == [
        ("d/.hidden", 1, False, True, ""),
        ("d/bin/tool", 1, True, False, ""),
        ("d/copy", 1, False, False, ""),
        ("d/latest", 0, False, False, "d/bin/tool"),
        ("d/sbin", 0, False, False, "d/bin"),
    ]
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    assert create_metainfo(shared / "bin" / "tool", attributes=True).files[0].is_executable
    plain = create_metainfo(shared)
    assert "attr" not in plain.info_bytes.decode("latin-1")
    assert [str(entry) for entry in plain.files][-1] == "d/sbin/tool"


def test_web_seeds(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    urls = ("http://a/f", "https://b/f")
    metainfo = create_metainfo(tmp_path / "f", web_seeds=[*urls, "http://a/f"])
    assert metainfo.web_seeds == Metainfo.from_bytes(metainfo.to_bytes()).web_seeds == urls
    for wrong in ("ftp://a/f", "a", "http://\x1b/"):
        with pytest.raises(MetainfoError, match="not the URL of a web seed"):
            create_metainfo(tmp_path / "f", web_seeds=[wrong])


def test_nothing_to_share(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no data"):
        create_metainfo(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(StorageError, match="no data"):
        create_metainfo(tmp_path)
    with pytest.raises(StorageError, match="no data"):
        create_metainfo(tmp_path / "empty")
    with pytest.raises(StorageError, match=r"cannot share .*missing: No such file"):
        create_metainfo(tmp_path / "missing")
    with pytest.raises(StorageError, match="no name"):
        create_metainfo(os.path.abspath(os.sep))


@posix
@pytest.mark.parametrize("name", [b"aux.c", b"ends.", b"new\nline", b"back\\slash", b"\xff\xfe.mp3", b"a\xe2\x80\xaeb"])
@pytest.mark.parametrize("where", ["file", "folder", "top"])
def test_names_that_are_valid_here_are_taken_as_they_are_and_found_again(
    tmp_path: Path, name: bytes, where: str
) -> None:
    """Not rtorrent#1969: what a system can store it can share, and the one that shares it finds it on its disk."""
    if sys.platform != "linux" and not name.isascii():
        pytest.skip("other systems make sure that names are text")
    shared = os.fsencode(tmp_path / "d")
    if where == "file":
        os.mkdir(shared)
        paths = [shared + b"/" + name]
    elif where == "folder":
        os.makedirs(shared + b"/" + name)
        paths = [shared + b"/" + name + b"/f"]
    else:
        shared = os.fsencode(tmp_path) + b"/" + name
        paths = [shared]
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * 1000)
    metainfo = create_metainfo(os.fsdecode(shared))
    assert (b"%d:%s" % (len(name), name)) in metainfo.info_bytes
    assert content_path(metainfo, tmp_path) == Path(os.fsdecode(shared))
    for writable in (False, True):
        with closing(FileStorage(metainfo.files, tmp_path, writable=writable)) as storage:
            storage.prepare()
            assert [is_right for _, is_right in verify_pieces(metainfo, storage)] == [True]


def test_our_own_folder_is_not_shared_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".kad").mkdir()
    (tmp_path / ".kad" / "f").write_bytes(b"y")
    with pytest.raises(MetainfoError, match="keep their state"):
        create_metainfo(tmp_path / ".kad")


def test_our_own_folder_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / ".kad").mkdir()
    (tmp_path / ".kad" / "x.torrent").write_bytes(b"x")
    (tmp_path / "f").write_bytes(b"y")
    assert [entry.path[1:] for entry in create_metainfo(tmp_path).files] == [("f",)]


@posix
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").write_bytes(b"x")
    shared = tmp_path / "d"
    shared.mkdir()
    (shared / "link").symlink_to(tmp_path / "elsewhere")
    (shared / "file").symlink_to(tmp_path / "elsewhere" / "f")
    os.mkfifo(shared / "pipe")
    assert [entry.path[1:] for entry in create_metainfo(shared).files] == [("file",), ("link", "f")]
    (tmp_path / "elsewhere" / "back").symlink_to(shared)
    with pytest.raises(StorageError, match="leads back"):
        create_metainfo(shared)
    (tmp_path / "elsewhere" / "back").unlink()
    (shared / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match=r"cannot share .*dangling: this link leads nowhere; --exclude dangling"):
        create_metainfo(shared)
    with pytest.raises(StorageError, match="neither a file nor a folder"):
        create_metainfo(shared / "pipe")


@pytest.mark.parametrize("size", [0, 5, 9, 11, 2 * MIB])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(10))
    found = SourceFile((), str(path), 10, path.stat().st_mtime_ns)
    path.write_bytes(bytes(size))
    with pytest.raises(StorageError, match="changed while it was read"):
        hash_pieces([found], 16 * KIB, Sha1Hasher())


def test_a_file_that_is_rewritten_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(10))
    found = SourceFile((), str(path), 10, path.stat().st_mtime_ns)
    os.utime(path, ns=(1, 1))
    with pytest.raises(StorageError, match="changed while it was read"):
        hash_pieces([found], 16 * KIB, Sha1Hasher())


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        hash_pieces([SourceFile((), str(tmp_path / "f"), 10, 0)], 16 * KIB, Sha1Hasher())


@pytest.mark.parametrize("tracker", ["", "tracker", "http://a/\x1b", "http://\udcff/"])
def test_what_is_no_tracker(tmp_path: Path, tracker: str) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(MetainfoError, match="not the URL of a tracker"):
        create_metainfo(tmp_path / "f", trackers=[tracker])


def test_nodes_to_begin_with_are_written_for_others_to_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    nodes = [("203.0.113.5", 6881), ("router.example.org", 1), ("2001:db8::1", 6881), ("203.0.113.5", 6881)]
    made = create_metainfo(tmp_path / "f", nodes=nodes)
    assert made.nodes == tuple(nodes[:3])
    assert Metainfo.from_bytes(made.to_bytes()).nodes == made.nodes
    assert made.info_hash == create_metainfo(tmp_path / "f").info_hash


@pytest.mark.parametrize("node", [("", 6881), ("a b", 6881), ("host", 0), ("host", 65536), ("a..b", 1), ("\udcff", 1)])
def test_what_is_no_node(tmp_path: Path, node: tuple[str, int]) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(MetainfoError, match="is not a DHT node"):
        create_metainfo(tmp_path / "f", nodes=[node])


def test_a_private_torrent_names_no_nodes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(MetainfoError, match="private"):
        create_metainfo(tmp_path / "f", nodes=[("203.0.113.5", 6881)], private=True)


def test_the_source_of_a_private_tracker_makes_a_torrent_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"x")
    plain = create_metainfo(tmp_path / "film", private=True)
    ours = create_metainfo(tmp_path / "film", private=True, source="ABC")
    assert (plain.source, ours.source) == (None, "ABC")
    assert plain.info_hash != ours.info_hash
    assert b"6:source3:ABC" in ours.info_bytes
    assert Metainfo.from_bytes(ours.to_bytes()) == ours


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["*.tmp"], ["a/b.tmp.txt", "a/c d/[x].bin", "keep.txt"]),
        (["a"], ["keep.tmp", "keep.txt"]),
        (["a/"], ["keep.tmp", "keep.txt"]),
        (["a/*.tmp"], ["a/b.tmp.txt", "a/c d/[x].bin", "keep.tmp", "keep.txt"]),
        (["c d", "keep.???"], ["a/b.tmp", "a/b.tmp.txt"]),
        (["[[]x].bin", "A", "keep"], ["a/b.tmp", "a/b.tmp.txt", "a/c d/y.tmp", "keep.tmp", "keep.txt"]),
    ],
)
def test_what_is_excluded_is_left_out(tmp_path: Path, exclude: list[str], left: list[str]) -> None:
    for name in ("a/b.tmp", "a/b.tmp.txt", "a/c d/[x].bin", "a/c d/y.tmp", "keep.tmp", "keep.txt"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    metainfo = create_metainfo(tmp_path / "album", exclude=exclude)
    assert [str(entry).removeprefix("album/") for entry in metainfo.files] == left


def test_nothing_is_left_when_everything_is_excluded(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "x").write_bytes(b"x")
    with pytest.raises(StorageError, match="it holds no data"):
        create_metainfo(tmp_path / "album", exclude=["*"])
