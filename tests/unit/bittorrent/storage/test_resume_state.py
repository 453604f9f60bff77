"""What a torrent remembers about its files, and when that is believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bittorrent.creating.create import create_metainfo
from bittorrent.errors import ResumeError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.storage.ports import FileStamp
from bittorrent.storage.resume import ResumeStore
from bittorrent.storage.resume_state import VERSION, ResumeState
from transfer.wire import bencode, bencode_parts

if TYPE_CHECKING:
    from transfer.wire.bencode import Encodable, Value

KIB = 1 << 10


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    """Pieces of 16 KiB: a is 0 to 2, b is 2 and 3, c is 3 alone."""
    shared = tmp_path / "t"
    shared.mkdir()
    for name, size in {"a": 40 * KIB, "b": 10 * KIB, "c": 5 * KIB, "empty": 0}.items():
        (shared / name).write_bytes(name.encode() * size)
    return create_metainfo(shared, piece_length=16 * KIB)


STAMPS = (FileStamp(1, 10), FileStamp(2, 20), FileStamp(3, 30), FileStamp(0, 5), None)


def state_of(metainfo: Metainfo, have: list[int]) -> ResumeState:
    return ResumeState(
        info_hash=metainfo.info_hash,
        have=Bitfield(metainfo.piece_count, have).to_wire(),
        stamps=STAMPS,
        priorities=(1, 0, 7, 4),
        paths={1: ("t", "ö")},
        downloaded_bytes=5,
        uploaded_bytes=1 << 60,
    )


def test_it_comes_back(metainfo: Metainfo, tmp_path: Path) -> None:
    state = state_of(metainfo, [0, 3])
    assert ResumeState.from_bytes(state.to_bytes()) == state
    assert state.fits(metainfo)
    store = ResumeStore(tmp_path)
    assert store.load_state(metainfo.info_hash) is None
    store.save_state(state)
    assert store.load_state(metainfo.info_hash) == state
    store.forget_state(metainfo.info_hash)
    assert store.load_state(metainfo.info_hash) is None
    store.save_state(state)
    store.forget(metainfo.info_hash)
    assert not (tmp_path / ".kad").exists()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "another", "version"])
def test_what_is_damaged_is_not_believed(metainfo: Metainfo, tmp_path: Path, damage: str) -> None:
    store = ResumeStore(tmp_path)
    state = state_of(metainfo, [0, 3])
    store.save_state(state)
    path = tmp_path / ".kad" / f"{metainfo.info_hash.hex()}.resume"
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[data.index(b"4:have") + 8] ^= 0x20  # one piece more, or less
    elif damage == "cut":
        del data[-1:]
    elif damage == "empty":
        data.clear()
    elif damage == "another":
        data[:] = replace(state, info_hash=bytes(20)).to_bytes()
    else:
        content = bytes(data[16:]).replace(b"7:versioni%de" % VERSION, b"7:versioni99e")
        from bittorrent.storage.resume_state import _checksum

        data[:] = _checksum(content) + content
    path.write_bytes(data)
    assert store.load_state(metainfo.info_hash) is None
    assert not path.exists()


@pytest.mark.parametrize(
    "change",
    [
        {b"have": 3},
        {b"stamps": [[1]]},
        {b"stamps": [["a", 1]]},
        {b"priorities": b"\x08"},
        {b"paths": [[0, ["..", "x"]]]},
        {b"paths": [[0, [b"\xff"]]]},
        {b"paths": [[0, []]]},
        {b"paths": [5]},
        {b"uploaded": -1},
        {b"info-hash": None},
    ],
)
def test_every_part_is_checked(metainfo: Metainfo, change: dict[bytes, object]) -> None:
    from bittorrent.storage.resume_state import _checksum

    values = {**bencode.decode_dict(state_of(metainfo, []).to_bytes()[16:]), **change}
    content = bencode.encode({key: value for key, value in values.items() if value is not None})  # type: ignore[arg-type]
    with pytest.raises(ResumeError):
        ResumeState.from_bytes(_checksum(content) + content)


def test_a_state_of_another_shape_does_not_fit(metainfo: Metainfo) -> None:
    state = state_of(metainfo, [1])
    for wrong in (
        replace(state, info_hash=bytes(20)),
        replace(state, have=state.have + b"\0"),
        replace(state, have=b"\xff"),
        replace(state, stamps=STAMPS[:-1]),
        replace(state, priorities=(1,)),
        replace(state, paths={9: ("x",)}),
    ):
        assert not wrong.fits(metainfo)


def test_pieces_of_files_that_changed_are_doubtful(metainfo: Metainfo) -> None:
    state = state_of(metainfo, [0, 1, 3])

    def trusted(*stamps: FileStamp | None) -> tuple[list[int], list[int]]:
        have, doubtful = state.trusted(metainfo, stamps)
        return list(have), doubtful

    a, b, c, empty, part = STAMPS
    assert trusted(a, b, c, empty, part) == ([0, 1, 3], [])
    assert trusted(a, b, c, None, part) == ([0, 1, 3], []), "a file without bytes matters to nobody"
    assert trusted(a, b, FileStamp(3, 31), empty, part) == ([0, 1], [3])
    assert trusted(a, FileStamp(9, 20), c, empty, part) == ([0, 1], [2, 3])
    assert trusted(None, b, c, empty, part) == ([3], [0, 1, 2])


def test_what_lies_in_the_part_file_stands_and_falls_with_it(metainfo: Metainfo) -> None:
    a, _, c, empty, _ = STAMPS
    state = replace(state_of(metainfo, [0, 2]), stamps=(a, None, c, empty, FileStamp(7, 7)))
    have, doubtful = state.trusted(metainfo, (a, None, c, empty, FileStamp(7, 7)))
    assert (list(have), doubtful) == ([0, 2], [])
    have, doubtful = state.trusted(metainfo, (a, None, c, empty, None))
    assert (list(have), doubtful) == ([0], [2, 3])


def test_the_state_of_very_many_files_is_coded_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder or decoder in C holds up every other thread for as long as it works."""
    sizes: list[int] = []
    encode, decode = bencode.encode, bencode.decode_scanned

    def watch_encoder(value: Encodable) -> bytes:
        sizes.append(len(raw := encode(value)))
        return raw

    def watch_decoder(raw: bytes) -> Value:
        sizes.append(len(raw))
        return decode(raw)

    monkeypatch.setattr(bencode, "encode", watch_encoder)
    monkeypatch.setattr(bencode_parts, "decode_scanned", watch_decoder)
    count = 20_000
    state = ResumeState(
        info_hash=bytes(20),
        have=b"\x80",
        stamps=tuple(FileStamp(number, number) if number % 3 else None for number in range(count)),
        paths={number: ("renamed", str(number)) for number in range(0, count, 2)},
    )
    assert ResumeState.from_bytes(state.to_bytes()) == state
    assert max(sizes) < 64 << 10
    assert sum(sizes) > 500_000
