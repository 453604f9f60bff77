"""What a server that has some files of a torrent, and others not, is believed to have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import WebSeedError
from bittorrent.web_seed.core import WebSeedConfig
from bittorrent.web_seed.files import ServedFiles
from tests.unit.bittorrent.web_seed.test_core import torrent

GONE, BUSY = WebSeedError("it answered HTTP 404", is_final=True), WebSeedError("it answered HTTP 503")
CONFIG = WebSeedConfig(backoff_s=5, file_backoff_s=60, spoilt_backoff_s=600, max_file_backoff_s=1000)
# Pieces of 32 bytes: a is in 0 to 3, b in 3, c in 3 to 6, the empty one in none.
FILES = [("a", 100), ("b", 10), ("empty", 0), ("c", 100)]


def served(files: list[tuple[str, int]] | int = FILES) -> ServedFiles:
    return ServedFiles(torrent(files), CONFIG)


def test_only_the_pieces_that_touch_a_bad_file_are_missing() -> None:
    """qBittorrent#15193, #19747, #12133."""
    files = served()
    assert files.failed(3, GONE, now=0.0) == [3, 4, 5, 6]
    assert list(files.have) == [0, 1, 2]
    assert files.problem == "al bum/c: it answered HTTP 404"
    assert files.failed(1, GONE, now=0.0) == []
    assert files.problem == "al bum/c: it answered HTTP 404 (and 1 more of 3 files)"
    assert files.have.count == 3
    assert files.failed(0, GONE, now=0.0) == [0, 1, 2]
    assert files.is_useless, files.problem
    assert files.problem == "it answered HTTP 404"
    files.check_invariants()


def test_a_file_that_is_good_later_is_used_then() -> None:
    files = served()
    files.failed(3, GONE, now=0.0)
    files.failed(1, GONE, now=0.0)
    assert files.next_timer() == 60.0
    assert files.due(now=59.0) is None
    assert files.due(now=60.0) == 3
    assert files.recovered(3, now=60.0) == [4, 5, 6], "piece 3 touches the other bad file"
    assert files.recovered(1, now=60.0) == [3]
    assert files.next_timer() is None
    assert files.problem is None
    files.check_invariants()


def test_the_patience_with_a_file_grows_and_is_bounded() -> None:
    files, now = served(), 0.0
    files.failed(3, GONE, now=now)
    for wait_s in (120, 240, 480, 960, 1000, 1000):
        now = files.next_timer() or 0.0
        assert files.due(now=now) == 3
        files.failed_again(3, GONE, now=now)
        assert files.next_timer() == now + wait_s
    files.recovered(3, now=now)
    files.failed(3, GONE, now=now)
    assert files.next_timer() == now + 1000, "its first byte may be all that is there"


def test_what_may_pass_counts_when_it_happens_twice_without_a_byte_in_between() -> None:
    files = served()
    for _ in range(3):
        assert files.failed(3, BUSY, now=0.0) == []
        files.fetched(3)
    assert files.failed(3, BUSY, now=0.0) == []
    assert files.failed(3, BUSY, now=0.0) == [3, 4, 5, 6]
    assert files.next_timer() == 5.0


def test_when_one_file_can_be_had_again_from_a_server_that_was_busy_all_are_tried() -> None:
    files = served()
    for number in (0, 1):
        files.failed(number, BUSY, now=0.0)
        files.failed(number, BUSY, now=0.0)
    for _ in range(5):
        files.failed_again(1, BUSY, now=0.0)
    files.recovered(0, now=5.0)
    assert files.due(now=5.0) == 1


def test_the_only_file_of_a_torrent_is_the_server() -> None:
    files = served(100)
    for _ in range(9):
        assert files.failed(0, BUSY, now=0.0) == []
    assert files.failed(0, GONE, now=0.0) == [0, 1, 2, 3]
    assert files.is_useless
    assert not files.is_hopeless
    files.recovered(0, now=60.0)
    files.spoilt(2, now=60.0)
    assert files.is_useless
    assert files.is_hopeless


def test_wrong_data_is_put_down_to_the_file_that_it_must_be_in() -> None:
    files = served()
    assert files.spoilt(3, now=0.0) == [3], "three files are in it"
    assert files.problem == "it sent data with a wrong hash"
    assert files.spoilt(5, now=0.0) == [4, 5, 6]
    assert files.problem == "al bum/c: it sent data with a wrong hash"
    assert files.next_timer() == 600.0
    assert files.recovered(3, now=600.0) == [4, 5, 6]
    assert files.forgiven(now=599.0) == []
    assert files.forgiven(now=600.0) == [3]
    assert files.spoilt(4, now=600.0) == [3, 4, 5, 6]
    assert files.next_timer() == 600.0 + 1000.0
    assert not files.is_hopeless
    files.check_invariants()


def test_no_file_is_special_when_the_server_is_tried() -> None:
    files = served()
    assert files.next_to_probe(lambda pieces: 3 in pieces) == 0, "the largest"
    assert files.next_to_probe(lambda pieces: 3 in pieces) == 3
    assert files.next_to_probe(lambda pieces: 3 in pieces) == 1
    assert files.next_to_probe(lambda pieces: 6 in pieces) == 3, "the one that is needed, then"
    for number in (0, 1, 3):
        files.failed(number, GONE, now=0.0)
    assert files.next_to_probe(lambda pieces: True) is None


SIZES = st.lists(st.integers(0, 90), min_size=1, max_size=6).filter(any)


@given(SIZES, st.data())
def test_any_story(sizes: list[int], data: st.DataObject) -> None:
    files = served([(f"f{number}", size) for number, size in enumerate(sizes)])
    numbers = [number for number, size in enumerate(sizes) if size]
    known, now = set(files.have), 0.0
    for _ in range(data.draw(st.integers(0, 12))):
        now += 10.0
        number = data.draw(st.sampled_from(numbers))
        match data.draw(st.integers(0, 4)):
            case 0:
                known -= set(files.failed(number, GONE, now=now))
            case 1:
                known -= set(files.failed(number, BUSY, now=now))
            case 2:
                known -= set(files.spoilt(data.draw(st.integers(0, files.have.size - 1)), now=now))
            case 3 if files.is_bad(number):
                gained = set(files.recovered(number, now=now))
                assert not gained & known
                known |= gained
            case _:
                files.fetched(number)
                known |= set(files.forgiven(now=now))
        files.check_invariants()
        assert known == set(files.have)
        due = files.due(now=now)
        assert due is None or files.is_bad(due)
        assert due is None or (files.next_timer() or now + 1) <= now


@pytest.mark.parametrize("wrong", [{"file_backoff_s": 0}, {"spoilt_backoff_s": 1e9}, {"max_probes": 0}])
def test_what_makes_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        WebSeedConfig(**wrong)  # type: ignore[arg-type]
