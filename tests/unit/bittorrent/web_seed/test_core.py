"""Where the bytes of a torrent are on a server, what counts as an answer, and when to ask again."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import WebSeedError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.web_seed.core import WebFiles, WebRange, WebSeedConfig, WebSeedSchedule, check_answer, take_run
from transfer.wire import bencode


def torrent(files: list[tuple[str, int]] | int, *, name: str = "al bum", padding: tuple[str, ...] = ()) -> Metainfo:
    total = files if isinstance(files, int) else sum(size for _, size in files)
    info: dict[str, Any] = {"name": name, "piece length": 32, "pieces": bytes(20 * -(-total // 32))}
    if isinstance(files, int):
        info["length"] = files
    else:
        info["files"] = [
            {"length": size, "path": path.split("/"), "attr": "p" if path in padding else ""} for path, size in files
        ]
    return Metainfo.from_info(bencode.encode(info))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/file", "http://h/file"),
        ("http://h/dir/", "http://h/dir/al%20bum"),
        ("http://h/a%20b/x y", "http://h/a%20b/x%20y"),
        ("http://h/x?key=1&b=%2F", "http://h/x?key=1&b=%2F"),
        ("http://h/x#part", "http://h/x"),
        ("http://h/ü", "http://h/%C3%BC"),
    ],
)
def test_the_url_of_a_single_file(url: str, expected: str) -> None:
    files = WebFiles(url, torrent(100))
    assert list(files.ranges(3, 10)) == [WebRange(expected, 3, 10, 100)]
    assert files.probe(0) == WebRange(expected, 0, 1, 100)


@pytest.mark.parametrize("url", ["http://h/d", "http://h/d/"])
def test_the_urls_of_several_files(url: str) -> None:
    metainfo = torrent([("a#b", 10), ("empty", 0), ("pad", 6), ("sub/c?d", 20), ("ü%", 5)], padding=("pad",))
    files = WebFiles(url, metainfo)
    base = "http://h/d/al%20bum/"
    assert list(files.ranges(8, 33)) == [
        WebRange(f"{base}a%23b", 8, 2, 10, 0),
        WebRange(None, 0, 6, 6, 2),
        WebRange(f"{base}sub/c%3Fd", 0, 20, 20, 3),
        WebRange(f"{base}%C3%BC%25", 0, 5, 5, 4),
    ]
    assert list(files.ranges(16, 1)) == [WebRange(f"{base}sub/c%3Fd", 0, 1, 20, 3)]


def test_urls_have_the_names_of_the_torrent_whatever_the_files_are_called_here() -> None:
    """The server has the files under the names that whoever made the torrent gave them."""
    info: dict[str, Any] = {
        "name": "al\nbum",
        "piece length": 16384,
        "pieces": bytes(20),
        "files": [{"length": 5, "path": path} for path in (["a\\b"], [b"\xff.mp3"], ["c"], ["c"])],
    }
    files = WebFiles("http://h/", Metainfo.from_info(bencode.encode(info)))
    base = "http://h/al%0Abum/"
    assert [found.url for found in files.ranges(0, 20)] == [
        f"{base}a%5Cb",
        f"{base}%FF.mp3",
        f"{base}c",
        f"{base}c",
    ]


def test_a_folder_with_one_file_is_a_folder() -> None:
    assert WebFiles("http://h/d", torrent([("f", 9)])).probe(0).url == "http://h/d/al%20bum/f"


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=6).filter(
        lambda sizes: any(size and not pad for size, pad in sizes)
    ),
    st.data(),
)
def test_ranges_cover_exactly_what_was_asked(sizes: list[tuple[int, bool]], data: st.DataObject) -> None:
    names = [f"f{number}" for number in range(len(sizes))]
    padding = tuple(name for name, (_, pad) in zip(names, sizes, strict=True) if pad)
    metainfo = torrent([(name, size) for name, (size, _) in zip(names, sizes, strict=True)], padding=padding)
    start = data.draw(st.integers(0, metainfo.total_bytes - 1))
    length = data.draw(st.integers(1, metainfo.total_bytes - start))
    at = start
    for part in WebFiles("http://h/", metainfo).ranges(start, length):
        entry = next(entry for entry in metainfo.files if entry.offset <= at < entry.end)
        assert (part.url is None) == entry.is_padding
        assert part.start == at - entry.offset
        assert 0 < part.length <= entry.length - part.start
        at += part.length
    assert at == start + length


GEOMETRY = Geometry(32 * 21, 32)


def test_requests_that_follow_each_other_become_one() -> None:
    blocks = [Block(1, 0, 16), Block(1, 16, 16), Block(2, 0, 16), Block(2, 16, 8), Block(5, 0, 16), Block(4, 0, 16)]
    queue = deque(blocks)
    assert take_run(queue, GEOMETRY, max_bytes=1000) == blocks[:4]
    assert take_run(queue, GEOMETRY, max_bytes=1000) == blocks[4:5]
    assert take_run(queue, GEOMETRY, max_bytes=1000) == blocks[5:]
    assert not queue
    queue = deque(blocks)
    assert take_run(queue, GEOMETRY, max_bytes=1) == blocks[:1]
    assert take_run(queue, GEOMETRY, max_bytes=32) == blocks[1:3]
    queue = deque([blocks[2], blocks[4], blocks[1], blocks[3], blocks[0]])
    assert take_run(queue, GEOMETRY, max_bytes=1000) == blocks[:4]
    assert list(queue) == [blocks[4]]


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(1, 12), st.randoms(use_true_random=False))
def test_every_request_is_taken_once_and_the_first_at_once(numbers: set[int], most: int, rng: Random) -> None:
    blocks = [Block(number // 2, number % 2 * 16, 16) for number in numbers]
    rng.shuffle(blocks)
    queue, taken = deque(blocks), []
    while queue:
        first = queue[0]
        run = take_run(queue, GEOMETRY, max_bytes=most * 16)
        assert first in run
        assert len(run) <= most
        places = [block.piece * 32 + block.begin for block in run]
        assert places == list(range(places[0], places[0] + 16 * len(run), 16))
        taken += run
    assert sorted(taken) == sorted(blocks)


WANTED = WebRange("http://h/f", 10, 20, 100)


@pytest.mark.parametrize(
    ("status", "headers", "is_final", "reason"),
    [
        (200, {"content_length": 99}, True, "99 bytes but the torrent says 100"),
        (206, {}, True, "another range"),
        (206, {"content_range": "bytes 11-30/100"}, True, "another range"),
        (206, {"content_range": "bytes 10-9/100"}, True, "another range"),
        (206, {"content_range": "bytes 10-100/100"}, True, "another range"),
        (206, {"content_range": "bytes 10-29/101"}, True, "101 bytes but the torrent says 100"),
        (206, {"content_range": "bytes 10-29/100", "content_encoding": "gzip"}, True, "compresses"),
        (404, {}, True, "HTTP 404"),
        (416, {}, True, "HTTP 416"),
        (301, {}, False, "HTTP 301"),
        (429, {}, False, "HTTP 429"),
        (503, {}, False, "HTTP 503"),
    ],
)
def test_answers_that_do_not_count(status: int, headers: dict[str, Any], is_final: bool, reason: str) -> None:
    with pytest.raises(WebSeedError, match=reason) as caught:
        check_answer(WANTED, status, **headers)
    assert caught.value.is_final == is_final


def test_answers_that_count() -> None:
    for content_range in ("bytes 10-29/100", "bytes 10-99/100", "Bytes 10-29/*", "bytes  10-29/100"):
        assert check_answer(WANTED, 206, content_range=content_range, content_encoding=" Identity") == 0
    assert check_answer(WANTED, 206, content_range="bytes 10-28/100") == 0  # a part of it: RFC 9110, section 15.3.7
    assert check_answer(WANTED._replace(start=0), 200, content_length=100) == 0
    assert check_answer(WANTED._replace(start=0), 200) == 0


def test_a_server_without_ranges_sends_the_whole_file() -> None:
    """Of which not too much is thrown away."""
    assert check_answer(WANTED, 200, content_length=100, max_skipped_bytes=10) == 10
    assert check_answer(WANTED, 200, max_skipped_bytes=10) == 10
    with pytest.raises(WebSeedError, match="does not know ranges") as caught:
        check_answer(WANTED, 200, max_skipped_bytes=9)
    assert caught.value.is_final


def test_the_wait_doubles_and_ends_with_success() -> None:
    schedule = WebSeedSchedule(WebSeedConfig(backoff_s=5, max_backoff_s=60))
    busy = WebSeedError("busy")
    for wait_s in (5, 10, 20, 40, 60, 60):
        schedule.failed(busy, now=100.0)
        assert schedule.retry_at == 100.0 + wait_s
        schedule.retry_at = 0.0
    schedule.succeeded()
    schedule.failed(busy, now=0.0, retry_after_s=30)
    assert schedule.retry_at == 30
    schedule.failed(busy, now=0.0, retry_after_s=1e9)
    assert schedule.retry_at == 60
    assert not schedule.is_dropped
    schedule.failed(WebSeedError("gone", is_final=True), now=0.0)
    assert schedule.dropped_because == "gone"
    schedule.drop("banned")
    assert schedule.dropped_because == "gone"


@pytest.mark.parametrize("wrong", [{"max_seeds": 0}, {"requests": 0}, {"backoff_s": 0}, {"backoff_s": 700}])
def test_what_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        WebSeedConfig(**wrong)
