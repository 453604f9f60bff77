"""Files that are the same: who has them, and which pieces can be copied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.files.entry import FileEntry
from bittorrent.files.same_files import Held, SameFiles, copies
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.geometry import Geometry

ROOT, OTHER = b"r" * 32, b"o" * 32


def entry(offset: int, root: bytes | None = ROOT, length: int = 100) -> FileEntry:
    return FileEntry(("f",), length, offset, pieces_root=root)


def test_a_file_knows_the_others_with_its_content() -> None:
    same: SameFiles[str] = SameFiles()
    same.add("a", [entry(0), entry(100, OTHER), entry(200, None)])
    assert same.twins("a", entry(0)) == []
    same.add("b", [entry(0), entry(500)])
    assert same.twins("a", entry(0)) == [("b", entry(0)), ("b", entry(500))]
    assert same.twins("b", entry(0)) == [("a", entry(0)), ("b", entry(500))]
    assert same.twins("b", entry(200, None)) == []
    same.discard("b")
    assert same.twins("a", entry(0)) == []
    same.discard("a")
    same.discard("never there")
    assert len(same) == 0


def test_a_torrent_that_is_one_file_many_times_over_costs_no_more() -> None:
    same: SameFiles[str] = SameFiles(most=3)
    same.add("a", [entry(offset) for offset in range(0, 100_000, 100)])
    assert same.twins("a", entry(100)) == [("a", entry(0)), ("a", entry(200)), ("a", entry(300))]


def test_pieces_of_other_lengths_are_put_together() -> None:
    target = Held(Geometry(1000, 64), Bitfield(16, [1]))
    source = Held(Geometry(2000, 32), Bitfield(63, [20, 21, 22, 23, 24, 25, 30]))
    wanted, twin = entry(0, length=330), entry(640, length=330)
    found = list(copies(target, wanted, source, twin, offset=0, length=330))
    assert [(copy.index, [(block.piece, block.begin, block.length) for block in copy.blocks]) for copy in found] == [
        (0, [(20, 0, 32), (21, 0, 32)]),
        (2, [(24, 0, 32), (25, 0, 32)]),
        (5, [(30, 0, 10)]),
    ]  # 1 is there, and of 3 and 4 nothing or not all
    assert [copy.index for copy in copies(target, wanted, source, twin, offset=320, length=10)] == [5]
    assert [copy.index for copy in copies(target, wanted, source, twin, offset=128, length=1)] == [2]
    assert list(copies(target, wanted, source, twin, offset=128, length=0)) == []


@given(
    st.integers(1, 400),
    st.sampled_from([8, 16, 64]),
    st.sampled_from([8, 16, 64]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sets(st.integers(0, 60)),
    st.sets(st.integers(0, 60)),
)
def test_what_is_copied_is_what_was_missing_and_is_there(
    length: int, ours: int, theirs: int, before: int, theirs_before: int, have: set[int], their_have: set[int]
) -> None:
    wanted, twin = entry(before * ours, length=length), entry(theirs_before * theirs, length=length)
    content = bytes(number % 251 for number in range(length))
    target = Held(Geometry(wanted.end, ours), Bitfield(-(-wanted.end // ours)))
    source = Held(Geometry(twin.end, theirs), Bitfield(-(-twin.end // theirs)))
    for index in have:
        if index < target.have.size:
            target.have.set(index)
    there = bytearray(twin.end)  # what was written: nothing but the pieces that are there
    whole = bytes(twin.offset) + content
    for index in their_have:
        if index < source.have.size:
            source.have.set(index)
            there[index * theirs : (index + 1) * theirs] = whole[index * theirs : (index + 1) * theirs]
    copied = set()
    for copy in copies(target, wanted, source, twin, offset=0, length=length):
        copied.add(copy.index)
        data = b"".join(there[b.piece * theirs + b.begin :][: b.length] for b in copy.blocks)
        begin = copy.index * ours - wanted.offset
        assert data == content[begin : begin + ours]
    for index in target.geometry.pieces_of(wanted.offset, length):
        begin = index * ours - wanted.offset
        needed = {(twin.offset + at) // theirs for at in range(begin, min(begin + ours, length))}
        assert (index in copied) == (index not in have and needed <= set(source.have))


def test_pieces_of_version_1_that_have_bytes_of_other_files_are_left_out() -> None:
    target = Held(Geometry(1000, 64), Bitfield(16))
    source = Held(Geometry(330, 32), Bitfield.full(11))
    wanted, twin = entry(100, root=None, length=330), entry(0, root=None, length=330)  # bytes 100 to 429: pieces 1 to 6
    found = list(copies(target, wanted, source, twin, offset=0, length=330))
    assert [copy.index for copy in found] == [2, 3, 4, 5]
    assert [(block.piece, block.begin, block.length) for block in found[0].blocks] == [
        (0, 28, 4),
        (1, 0, 32),
        (2, 0, 28),
    ]
    last = Held(Geometry(430, 64), Bitfield(7))  # the end of the torrent is the end of a piece, too
    assert [copy.index for copy in copies(last, wanted, source, twin, offset=0, length=330)] == [2, 3, 4, 5, 6]


def test_related_torrents_know_each_other() -> None:
    same: SameFiles[str] = SameFiles(most=2)
    same.relate("a", ["x", "y"])
    assert same.related("a") == []
    same.relate("b", ["y"])
    same.relate("c", ["z"])
    assert (same.related("a"), same.related("b"), same.related("c")) == (["b"], ["a"], [])
    for name in "defg":
        same.relate(name, ["y"])
    assert same.related("b") == ["a", "d"]
    assert same.related("unknown") == []
    for name in "abcdefg":
        same.discard(name)
    assert len(same) == 0
