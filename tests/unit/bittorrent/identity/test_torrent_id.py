"""The hashes of one torrent."""

from __future__ import annotations

import hashlib

import pytest

from bittorrent.identity.torrent_id import TorrentId

V1, V2 = b"\1" * 20, bytes(range(32))
EITHER = TorrentId(V2[:20], is_either=True)


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


@pytest.mark.parametrize(
    ("info_bytes", "has_v1", "has_v2"),
    [
        (b"de", True, False),
        (b"not bencoded", True, False),
        (b"", True, False),
        (b"d12:meta versioni1e6:pieces0:e", True, False),
        (b"d12:meta versioni2ee", False, True),
        (b"d9:file treede12:meta versioni2e4:name1:ne", False, True),
        (b"d12:meta versioni2e6:pieces0:e", True, True),
        (b"d6:lengthi1e12:meta versioni2ee", True, True),
        (b"d5:filesle12:meta versioni2ee", True, True),
        (b"d12:meta version1:2e", True, False),
    ],
)
def test_the_hashes_of_an_info_dictionary(info_bytes: bytes, has_v1: bool, has_v2: bool) -> None:
    v1, v2 = hashlib.sha1(info_bytes).digest(), hashlib.sha256(info_bytes).digest()
    known = TorrentId.of(info_bytes)
    assert known == TorrentId(v1 if has_v1 else None, v2 if has_v2 else None)
    assert known.names(info_bytes)
    assert TorrentId(v1).names(info_bytes)
    assert TorrentId(v1, v2).names(info_bytes)
    assert not known.names(info_bytes + b"e")
    assert not TorrentId(v1, bytes(32)).names(info_bytes)


@pytest.mark.parametrize("info_bytes", [b"d12:meta versioni2ee", b"d12:meta versioni2e6:pieces0:e"])
def test_20_bytes_that_stand_alone_may_be_of_either_version(info_bytes: bytes) -> None:
    known = TorrentId.of(info_bytes)
    assert known.v2_short is not None
    assert not TorrentId(known.v2_short).names(info_bytes)
    either = TorrentId(known.v2_short, is_either=True)
    assert either == TorrentId(known.v2_short)
    assert either.names(info_bytes)
    assert not either.names(info_bytes + b"e")
    assert TorrentId(hashlib.sha1(info_bytes).digest(), is_either=True).names(info_bytes)


@pytest.mark.parametrize(("v1", "v2"), [(None, V2), (V1, V2)])
def test_more_than_20_bytes_are_of_one_version(v1: bytes | None, v2: bytes) -> None:
    with pytest.raises(ValueError, match="alone"):
        TorrentId(v1, v2, is_either=True)


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
        (EITHER, TorrentId(v2=V2), True),
        (EITHER, TorrentId(V1, V2), True),
        (EITHER, TorrentId(V2[:20]), True),
        (EITHER, EITHER, True),
        (EITHER, TorrentId(V1), False),
        (EITHER, TorrentId(v2=bytes(32)), False),
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
        (EITHER, TorrentId(v2=V2), True),
        (EITHER, TorrentId(V1, V2), True),
        (EITHER, TorrentId(V2[:20]), True),
        (EITHER, TorrentId(V1), False),
        (EITHER, TorrentId(v2=bytes(32)), False),
    ],
)
def test_what_is_found_has_each_hash_that_was_named(meant: TorrentId, found: TorrentId, describes: bool) -> None:
    assert meant.describes(found) is describes
