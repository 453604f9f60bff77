"""Whatever a torrent calls its files: each gets a place of its own inside the folder, and always the same one."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from bittorrent.files.names import MAX_ELEMENT_BYTES, NameRules, safe_name
from bittorrent.files.path_plan import MAX_PATH_BYTES
from bittorrent.files.paths import check_path, has_unsafe_characters
from bittorrent.metainfo.torrent import Metainfo
from transfer.wire import bencode

RULES = st.builds(NameRules, is_windows=st.booleans(), ignores_case=st.booleans())
# Few different parts, so that names meet each other; among them all that is dangerous.
PARTS = st.sampled_from(
    [
        *(
            b"a",
            b"A",
            b"b",
            b".",
            b"..",
            b"/",
            b"\\",
            b"\0",
            b"\n",
            b" ",
            b".1",
            b".bin",
            b"con",
            b":",
            b"x" * 250,
            b".kad",
        ),
        *(b"\xff", b"\xc3\xa9", b"e\xcc\x81", b"\xc0\xae", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\xef\xbb\xbf"),
        *(b"\xe2\x80\x8d", b"\xe6\x97\xa5" * 90),
    ]
)
RAW_NAMES = st.lists(PARTS, max_size=4).map(b"".join) | st.binary(max_size=12)
RAW_PATHS = st.lists(RAW_NAMES, min_size=1, max_size=4)


@given(RAW_NAMES, RULES)
def test_a_name_is_safe_short_and_stays_when_it_is_made_safe_again(raw: bytes, rules: NameRules) -> None:
    name = safe_name(raw, rules)
    assert name
    assert name not in (".", "..")
    assert not set(name) & set("/\\\0")
    assert not has_unsafe_characters(name)
    assert len(name.encode()) <= MAX_ELEMENT_BYTES
    assert safe_name(name.encode(), rules) == name
    if rules.is_windows:
        assert name[-1] not in ". "
        assert not set(name) & set('<>:"|?*')


@given(st.lists(RAW_PATHS, min_size=1, max_size=12), RAW_NAMES, RULES)
@example([[b"a"], [b"a"], [b"a.1"]], b"n", NameRules(is_windows=False, ignores_case=False))
@example([[b"a"], [b"a", b"b"], [b"a.1", b"c"]], b"n", NameRules(is_windows=False, ignores_case=False))
@example([[b"d"] * 4000, [b"d"] * 4001], b"n", NameRules(is_windows=False, ignores_case=False))
def test_every_file_gets_a_place_of_its_own(paths: list[list[bytes]], name: bytes, rules: NameRules) -> None:
    info: dict[str, Any] = {
        "name": name,
        "piece length": 16384,
        "pieces": bytes(20),
        "files": [{"length": 1, "path": path} for path in paths],
    }
    metainfo = Metainfo.from_info(bencode.encode(info), rules=rules)
    files = [entry for entry in metainfo.files if not entry.is_padding]
    keys = [tuple(map(rules.key, entry.path)) for entry in files]
    folders = {key[:depth] for key in keys for depth in range(1, len(key))}
    assert len(set(keys)) == len(keys), "no two files share a place"
    assert not set(keys) & folders, "no file is where a folder has to be"
    for entry in files:
        check_path(entry.path, rules)
        assert entry.path[0] == metainfo.name
        assert sum(len(element.encode()) + 1 for element in entry.path) - 1 <= MAX_PATH_BYTES
    assert metainfo == Metainfo.from_info(bencode.encode(info), rules=rules), "it is the same on each day"


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c.d"]), min_size=1, max_size=3).map(tuple), min_size=1, unique=True)
)
def test_names_that_need_no_change_keep_their_path(paths: list[tuple[str, ...]]) -> None:
    rules = NameRules(is_windows=False, ignores_case=False)
    files = [path for path in paths if not any(other[: len(path)] == path for other in paths if other != path)]
    info: dict[str, Any] = {
        "name": "n",
        "piece length": 16384,
        "pieces": bytes(20),
        "files": [{"length": 1, "path": path} for path in files],
    }
    metainfo = Metainfo.from_info(bencode.encode(info), rules=rules)
    assert [entry.path[1:] for entry in metainfo.files] == files
    assert not any(entry.original for entry in metainfo.files)
