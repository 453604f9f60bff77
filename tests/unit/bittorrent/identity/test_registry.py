"""Torrents by all their hashes, against a list that is searched."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import TorrentCollisionError
from bittorrent.identity.registry import TorrentRegistry
from bittorrent.identity.torrent_id import TorrentId

V1, V2 = b"\1" * 20, bytes(range(32))


@dataclass(eq=False)
class Known:
    name: str


def test_a_torrent_is_found_by_each_of_its_names_and_listed_once() -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    film = Known("film")
    registry.add(TorrentId(V1, V2), film)
    assert [registry[alias] for alias in (V1, V2[:20], V2)] == [film] * 3
    assert dict(registry) == {V1: film}
    assert registry.get(bytes(20)) is None
    assert registry.find(TorrentId(V1), name="link") is film
    assert registry.find(TorrentId(v2=V2), name="link") is film
    registry.discard(TorrentId(V1, V2), Known("another"))
    assert len(registry) == 1
    registry.discard(TorrentId(V1, V2), film)
    assert not registry
    assert V2[:20] not in registry


@pytest.mark.parametrize(
    ("other", "alias"),
    [
        (TorrentId(V1, bytes(32)), V1),
        (TorrentId(V2[:20]), V2[:20]),
        (TorrentId(v2=V2[:20] + bytes(12)), V2[:20]),
        (TorrentId(bytes(20), V2), V2[:20]),
    ],
)
def test_a_hash_of_another_torrent_is_refused_by_name(other: TorrentId, alias: bytes) -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    registry.add(TorrentId(V1, V2), Known("film"))
    text = f"song is not film, and both are known by {alias.hex()}"
    with pytest.raises(TorrentCollisionError, match=text) as refused:
        registry.find(other, name="song")
    assert refused.value.alias == alias
    with pytest.raises(TorrentCollisionError, match=text):
        registry.add(other, Known("song"))
    assert len(registry) == 1


@pytest.mark.parametrize("whole", [TorrentId(v2=V2), TorrentId(V1, V2)])
def test_a_short_hash_turns_out_to_be_of_version_2(whole: TorrentId) -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    film, short = Known("film"), TorrentId(V2[:20], is_either=True)
    registry.add(short, film)
    assert registry.find(whole, name="torrent") is film
    registry.learn(whole)
    assert registry.find(short, name="link") is film
    assert [registry[alias] for alias in whole.aliases] == [film] * len(whole.aliases)
    assert dict(registry) == {V2[:20]: film}
    registry.check_invariants()
    registry.discard(whole, film)
    assert not registry


def test_a_short_hash_that_turned_out_to_be_of_version_1_is_that_of_no_other_torrent() -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    registry.add(TorrentId(V2[:20], is_either=True), Known("film"))
    registry.learn(TorrentId(V2[:20]))
    with pytest.raises(TorrentCollisionError, match="song is not film"):
        registry.find(TorrentId(v2=V2), name="song")


def test_a_torrent_that_joins_two_is_refused() -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    registry.add(TorrentId(V1), Known("old"))
    registry.add(TorrentId(v2=V2), Known("new"))
    with pytest.raises(TorrentCollisionError, match="old and new are one torrent, both, and both are here; remove one"):
        registry.find(TorrentId(V1, V2), name="both")


def test_what_is_learnt_of_a_torrent_adds_names_and_moves_nothing() -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    film = Known("film")
    registry.add(TorrentId(v2=V2), film)
    changes = registry.changes
    registry.learn(TorrentId(V1, V2))
    assert registry.changes > changes
    assert registry[V1] is registry[V2] is film
    assert dict(registry) == {V2[:20]: film}
    assert sorted(registry.short_names()) == sorted([V1, V2[:20]])
    registry.check_invariants()
    registry.discard(TorrentId(V1, V2), film)
    assert not registry
    assert V1 not in registry


def test_a_hash_that_another_torrent_has_is_not_learnt() -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    old, new = Known("old"), Known("new")
    registry.add(TorrentId(V1), old)
    registry.add(TorrentId(v2=V2), new)
    with pytest.raises(TorrentCollisionError, match="old and new are one torrent"):
        registry.learn(TorrentId(V1, V2))
    with pytest.raises(TorrentCollisionError, match="new has other hashes"):
        registry.learn(TorrentId(bytes(20), V2[:20] + bytes(12)))
    registry.check_invariants()
    assert dict(registry) == {V1: old, V2[:20]: new}


HASHES = st.sampled_from([bytes([first]) * 19 + bytes([last]) for first in (1, 2) for last in (0, 1)])
IDS = st.one_of(
    st.builds(TorrentId, HASHES),
    st.builds(lambda short, tail: TorrentId(v2=short + tail * 12), HASHES, st.sampled_from([b"a", b"b"])),
    st.builds(lambda v1, short, tail: TorrentId(v1, short + tail * 12), HASHES, HASHES, st.sampled_from([b"a", b"b"])),
)


@given(st.lists(st.tuples(IDS, st.booleans()), max_size=12))
def test_it_agrees_with_a_list(steps: list[tuple[TorrentId, bool]]) -> None:
    registry: TorrentRegistry[Known] = TorrentRegistry()
    model: list[tuple[TorrentId, Known]] = []
    for torrent_id, is_added in steps:
        meant = [(known, torrent) for known, torrent in model if {*known.aliases} & {*torrent_id.aliases}]
        if len(meant) > 1 or not all(known.is_same_as(torrent_id) for known, _ in meant):
            with pytest.raises(TorrentCollisionError):
                registry.find(torrent_id, name="it")
        elif meant:
            assert registry.find(torrent_id, name="it") is meant[0][1]
            if not is_added:
                registry.discard(*meant[0])
                model.remove(meant[0])
        else:
            assert registry.find(torrent_id, name="it") is None
            if is_added:
                model.append((torrent_id, Known(str(len(model)))))
                registry.add(*model[-1])
        registry.check_invariants()
        assert dict(registry) == {known.info_hash: torrent for known, torrent in model}
        for known, torrent in model:
            assert all(registry[alias] is torrent for alias in known.aliases)
