"""Version 2 and hybrid torrents read as libtorrent reads them: hashes, files by number and place, magnet links."""

from __future__ import annotations

import random
from typing import Any

import libtorrent as lt
import pytest

from bittorrent import Magnet, Metainfo
from tests.version2 import build

pytestmark = [
    pytest.mark.interop,
    pytest.mark.filterwarnings("ignore:.*files.*deprecated:DeprecationWarning"),  # with the new names of duplicates
]

NAMES = ["a", "b", "c/x", "c/y", "d/e/f", "d/g", "zz", "é", "..", "q/\x01", "a.1", "long" * 80]
SIZES = [0, 0, 1, 16383, 16384, 16385, 40_000, 65536, 131_072]


def draw(rng: random.Random, *, hybrid: bool) -> bytes:
    names = rng.sample(NAMES, rng.randint(1, 7))
    files = {name: rng.randbytes(rng.choice(SIZES)) for name in names} | {"m": b"never empty altogether"}
    piece_length = 16384 << rng.randrange(4)
    return build(files, piece_length, hybrid=hybrid, tail_padding=rng.random() < 0.8).data


def entries(theirs: Any) -> list[tuple[str | None, int, int]]:
    files = theirs.files()
    found = [
        (None if files.file_flags(n) & lt.file_storage.flag_pad_file else files.file_path(n), files.file_size(n))
        for n in range(files.num_files())
    ]
    return [(path, size, files.file_offset(number)) for number, (path, size) in enumerate(found)]


@pytest.mark.parametrize("hybrid", [False, True])
def test_files_have_the_numbers_and_places_that_libtorrent_gives_them(hybrid: bool) -> None:
    rng = random.Random(521)
    for _ in range(60):
        data = draw(rng, hybrid=hybrid)
        ours, theirs = Metainfo.from_bytes(data), lt.torrent_info(data)
        hashes = theirs.info_hashes()
        assert hashes.v2.to_bytes() == ours.torrent_id.v2
        assert hashes.has_v1() is hybrid is (ours.torrent_id.v1 is not None)
        expected = entries(theirs)
        if not hybrid and expected[-1][0] is None:
            expected.pop()  # padding behind the last file, which we do not count
        found = [(None if entry.is_padding else str(entry), entry.length, entry.offset) for entry in ours.files]
        if hybrid:  # empty files may stand on either side of padding; here they stand as in the version 1 list
            found, expected = ([entry for entry in each if entry[1]] for each in (found, expected))
        assert found == expected
        assert ours.piece_count == theirs.num_pieces()


@pytest.mark.parametrize("hybrid", [False, True])
def test_magnet_links_name_the_same_hashes(hybrid: bool) -> None:
    rng = random.Random(522)
    for _ in range(5):
        data = draw(rng, hybrid=hybrid)
        link = lt.make_magnet_uri(lt.torrent_info(data))
        ours = Metainfo.from_bytes(data)
        assert topics(ours.magnet_link()) == topics(link)
        assert Magnet.parse(link).torrent_id == ours.torrent_id
        parsed = lt.parse_magnet_uri(ours.magnet_link()).info_hashes
        assert parsed.v2.to_bytes() == ours.torrent_id.v2
        assert parsed.v1.to_bytes() == (ours.torrent_id.v1 or bytes(20))


def topics(link: str) -> list[str]:
    return [part for part in link.partition("?")[2].split("&") if part.startswith("xt=")]
