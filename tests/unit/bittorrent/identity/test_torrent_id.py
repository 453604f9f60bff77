"""The hashes of one torrent."""

from __future__ import annotations

import hashlib

import pytest

from bittorrent.identity.torrent_id import TorrentId

V1, V2 = b"\1" * 20, bytes(range(32))


def test_version_1_has_one_name() -> None:
    known = TorrentId(V1)
    assert known.info_hash == V1
    assert known.short == known.aliases == (V1,)
    assert str(known) == V1.hex()


def test_version_2_is_cut_off_where_there_is_room_for_20_bytes() -> None:
    known = TorrentId(v2=V2)
    assert known.info_hash == V2[:20]
    assert known.short == (V2[:20],)
    assert known.aliases == (V2[:20], V2)


def test_a_hybrid_has_three_names_and_is_kept_under_the_first() -> None:
    known = TorrentId(V1, V2)
    assert known.info_hash == V1
    assert known.short == (V1, V2[:20])
    assert known.aliases == (V1, V2[:20], V2)


def test_the_hash_of_an_info_dictionary() -> None:
    assert TorrentId.of(b"de") == TorrentId(hashlib.sha1(b"de").digest())


@pytest.mark.parametrize(("v1", "v2"), [(None, None), (b"short", None), (None, bytes(20)), (bytes(20), bytes(31))])
def test_other_sizes_are_refused(v1: bytes | None, v2: bytes | None) -> None:
    with pytest.raises(ValueError, match="hash"):
        TorrentId(v1, v2)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (TorrentId(V1), TorrentId(V1), True),
        (TorrentId(V1, V2), TorrentId(V1), True),
        (TorrentId(v2=V2), TorrentId(V1, V2), True),
        (TorrentId(V1, V2), TorrentId(V1, bytes(32)), False),
        (TorrentId(bytes(20), V2), TorrentId(V1, V2), False),
        (TorrentId(V1), TorrentId(v2=V2), False),
        (TorrentId(V2[:20]), TorrentId(v2=V2), False),
    ],
)
def test_the_same_torrent_has_a_hash_in_common_and_none_that_differs(
    one: TorrentId, other: TorrentId, is_same: bool
) -> None:
    assert one.is_same_as(other) is is_same
    assert other.is_same_as(one) is is_same


@pytest.mark.parametrize(
    ("meant", "found", "describes"),
    [
        (TorrentId(V1), TorrentId(V1), True),
        (TorrentId(V1), TorrentId(V1, V2), True),
        (TorrentId(v2=V2), TorrentId(V1, V2), True),
        (TorrentId(V1, V2), TorrentId(V1, V2), True),
        (TorrentId(V1, V2), TorrentId(V1), False),
        (TorrentId(V1, V2), TorrentId(v2=V2), False),
        (TorrentId(v2=V2), TorrentId(v2=V2[:20] + bytes(12)), False),
        (TorrentId(v2=V2), TorrentId(V2[:20]), False),
    ],
)
def test_what_is_found_has_each_hash_that_was_named(meant: TorrentId, found: TorrentId, describes: bool) -> None:
    assert meant.describes(found) is describes
