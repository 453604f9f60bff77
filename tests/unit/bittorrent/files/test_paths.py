"""Which paths a user may give to a file of a torrent, and what may be shown on a terminal."""

from __future__ import annotations

import pytest

from bittorrent.errors import MetainfoError
from bittorrent.files.names import NameRules
from bittorrent.files.path_plan import MAX_PATH_BYTES
from bittorrent.files.paths import check_element, check_path, shorten, without_unsafe_characters

POSIX = NameRules(is_windows=False, ignores_case=False)
WINDOWS = NameRules(is_windows=True, ignores_case=True)

UNSAFE = {
    "empty": "",
    "this folder": ".",
    "parent": "..",
    "slash": "a/b",
    "absolute": "/etc",
    "backslash": "a\\b",
    "nul": "a\0b",
    "newline": "a\nb",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7f",
    "c1": "a\x9b2J",
    "left to right mark": "a\u200eb",
    "right to left mark": "a\u200fb",
    "embedding": "\u202aa",
    "override": "gnp\u202eexe.txt",
    "isolate": "a\u2066b",
    "last isolate": "a\u2069b",
    "byte order mark": "\ufeffa",
    "surrogate": "a\udcff",
    "256 bytes": "a" * 256,
    "256 bytes in 128 characters": "\u00e9" * 128,
}


@pytest.mark.parametrize("element", UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_names_are_refused_with_one_printable_line(element: str) -> None:
    with pytest.raises(MetainfoError) as refused:
        check_element(element, POSIX)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "element",
    [
        "readme.txt",
        ".hidden",
        "..double",
        "a..b",
        "Foo: Bar (1999) [x264].mkv",
        "COM1",
        "ends.",
        "ends ",
        "c:",
        "COM10",
        "console",
        "null",
        "日本語のファイル.txt",
        "e\u0301",
        "emoji \U0001f600",
        "a" * 255,
        "\u200d",
        '100% "quoted" <tag> |*?\'',
    ],
)
def test_ordinary_names_pass(element: str) -> None:
    check_element(element, POSIX)
    check_path(("folder", element), POSIX)


@pytest.mark.parametrize("element", ["COM1", "ends.", "ends ", "c:", "a?"])
def test_windows_can_do_less(element: str) -> None:
    with pytest.raises(MetainfoError, match="could be stored as"):
        check_element(element, WINDOWS)


def test_a_path_as_a_whole_has_a_limit() -> None:
    fits = [*["a" * 255] * (MAX_PATH_BYTES // 256 - 1), "\u00e9" * 127, "a"]  # the separators count, too
    assert len("/".join(fits).encode()) == MAX_PATH_BYTES
    check_path(fits)
    with pytest.raises(MetainfoError, match=f"longer than {MAX_PATH_BYTES} bytes"):
        check_path([*fits[:-1], "ab"])
    with pytest.raises(MetainfoError, match=f"longer than {MAX_PATH_BYTES} bytes"):
        check_path(("a" * 255,) * (MAX_PATH_BYTES // 256 + 1))
    with pytest.raises(MetainfoError, match="empty path"):
        check_path(())


@pytest.mark.parametrize("folder", [".kad", ".KAD"])
def test_a_torrent_cannot_reach_into_the_state_of_downloads(folder: str) -> None:
    with pytest.raises(MetainfoError, match="keep their state"):
        check_path((folder, "x.torrent"))
    check_path(("music", folder))


def test_hostile_text_is_shown_harmlessly() -> None:
    assert without_unsafe_characters("a\x1b[31m\u202eb\x9bc") == "a[31mbc"
    assert shorten("x" * 1000) == repr("x" * 60) + "…"
    assert shorten(b"\x1b") == repr(b"\x1b")
