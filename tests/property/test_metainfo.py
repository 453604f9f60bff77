"""Torrents and magnet links survive the way through bytes and text; creation is what a slow reader says it is."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import MetainfoError
from bittorrent.files.paths import check_element, has_unsafe_characters
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from transfer.address import Address
from transfer.wire import bencode


def is_safe(element: str) -> bool:
    try:
        check_element(element)
    except MetainfoError:
        return False
    return True


letters = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
elements = letters.filter(is_safe).filter(lambda element: element.casefold() != ".kad")
clean_texts = letters.map(str.strip).filter(lambda text: bool(text) and not has_unsafe_characters(text))
urls = clean_texts.map(lambda text: f"http://{text}/")
addresses = st.builds(
    Address, st.sampled_from(["127.0.0.1", "::1", "2001:db8::7", "host.example"]), st.integers(1, 65535)
)
# Ordinary letters only: whether other names can be stored is up to the file system under the test.
file_names = st.sampled_from(["a", "b", "c.txt", ".d", "A-1", "e e"])
trees = st.dictionaries(
    st.lists(file_names, min_size=1, max_size=3).map(tuple),
    st.integers(0, 70_000),
    min_size=1,
    max_size=6,
).filter(
    lambda tree: (
        any(tree.values())
        and not any(a != b and a == b[: len(a)] for a in tree for b in tree)
        and len({tuple(map(str.casefold, path)) for path in tree}) == len(tree)
    )
)


@given(
    name=elements,
    length=st.integers(1, 2**30),
    trackers=st.lists(st.lists(urls, min_size=1, max_size=3), max_size=3),
    web_seeds=st.lists(urls, max_size=3, unique=True),
    comment=st.none() | clean_texts,
    creation_date=st.none() | st.integers(0, 2**40),
)
def test_a_torrent_survives_the_way_through_bytes(
    name: str,
    length: int,
    trackers: list[list[str]],
    web_seeds: list[str],
    comment: str | None,
    creation_date: int | None,
) -> None:
    seen: set[str] = set()
    tiers = [[url for url in tier if url not in seen and not seen.add(url)] for tier in trackers]  # type: ignore[func-returns-value]
    piece_length = 1 << max(14, length.bit_length() - 6)
    count = -(-length // piece_length)
    info: dict[str, Any] = {"name": name, "length": length, "piece length": piece_length, "pieces": b"x" * 20 * count}
    metainfo = Metainfo.from_info(
        bencode.encode(info), trackers=tiers, web_seeds=web_seeds, comment=comment, creation_date=creation_date
    )
    assert Metainfo.from_bytes(metainfo.to_bytes()) == metainfo
    assert Magnet.parse(metainfo.magnet_link()).info_hash == metainfo.info_hash
    assert sum(metainfo.geometry.piece_span(index)[1] for index in range(count)) == length


@given(
    hashes=st.tuples(
        st.none() | st.binary(min_size=20, max_size=20), st.none() | st.binary(min_size=32, max_size=32)
    ).filter(any),
    name=st.none() | clean_texts,
    trackers=st.lists(urls, max_size=4, unique=True).map(tuple),
    peers=st.lists(addresses, max_size=4, unique=True).map(tuple),
    web_seeds=st.lists(urls, max_size=2, unique=True).map(tuple),
    exact_length=st.none() | st.integers(0, 2**63 - 1),
)
def test_a_magnet_link_survives_the_way_through_text(
    hashes: tuple[bytes | None, bytes | None],
    name: str | None,
    trackers: tuple[str, ...],
    peers: tuple[Address, ...],
    web_seeds: tuple[str, ...],
    exact_length: int | None,
) -> None:
    magnet = Magnet(
        v1=hashes[0],
        v2=hashes[1],
        name=name,
        trackers=trackers,
        peers=peers,
        web_seeds=web_seeds,
        exact_length=exact_length,
    )
    text = str(magnet)
    assert text.isascii()
    assert " " not in text
    assert Magnet.parse(text) == magnet


@settings(deadline=None, max_examples=60)
@given(tree=trees, seed=st.binary(min_size=1, max_size=3), piece_length=st.sampled_from([1 << 14, 1 << 15, None]))
def test_a_created_torrent_has_the_files_and_hashes_of_the_folder(
    tree: dict[tuple[str, ...], int], seed: bytes, piece_length: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shared"
        for number, (path, size) in enumerate(tree.items()):
            root.joinpath(*path).parent.mkdir(parents=True, exist_ok=True)
            root.joinpath(*path).write_bytes((hashlib.sha512(seed + bytes([number])).digest() * 1100)[:size])
        metainfo = Metainfo.from_bytes(create_metainfo(root, piece_length=piece_length).to_bytes())
        content = b"".join(root.joinpath(*path).read_bytes() for path in sorted(tree))
    assert [entry.path for entry in metainfo.files] == [("shared", *path) for path in sorted(tree)]
    assert [entry.length for entry in metainfo.files] == [tree[path] for path in sorted(tree)]
    cuts = range(0, len(content), metainfo.piece_length)
    expected = [hashlib.sha1(content[at : at + metainfo.piece_length]).digest() for at in cuts]
    assert [metainfo.piece_hash(index) for index in range(metainfo.piece_count)] == expected
