"""Names from a stranger: what is refused, and that harmless ones pass."""

from __future__ import annotations

import pytest

from bittorrent.errors import MetainfoError
from bittorrent.metainfo.paths import (
    PathSet,
    check_element,
    check_path,
    decode_text,
    shorten,
    without_unsafe_characters,
)

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
    "trailing dot": "a.",
    "dots": "...",
    "trailing space": "a ",
    "space": " ",
    "drive": "C:",
    "drive with name": "c:evil.exe",
    "device": "NUL",
    "device in lower case": "con",
    "device with extension": "aux.tar.gz",
    "device with space and extension": "LPT1 .txt",
    "numbered device": "COM9",
    "superscript device": "com\u00b2",
    "console": "CONIN$",
    "256 bytes": "a" * 256,
    "256 bytes in 128 characters": "\u00e9" * 128,
}


@pytest.mark.parametrize("element", UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_names_are_refused_with_one_printable_line(element: str) -> None:
    with pytest.raises(MetainfoError) as refused:
        check_element(element)
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
        "COM0",
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
    check_element(element)
    check_path(("folder", element))


def test_a_path_as_a_whole_has_a_limit() -> None:
    check_path(("a" * 255,) * 16)
    with pytest.raises(MetainfoError, match="longer than 4096 bytes"):
        check_path(("a" * 255,) * 17)
    with pytest.raises(MetainfoError, match="empty path"):
        check_path(())


@pytest.mark.parametrize("folder", [".kad", ".KAD"])
def test_a_torrent_cannot_reach_into_the_state_of_downloads(folder: str) -> None:
    with pytest.raises(MetainfoError, match="keep their state"):
        check_path((folder, "x.torrent"))
    check_path(("music", folder))


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\xae\xc0\xae", b"\xed\xa0\x80", b"\xe2\x82", b"\xf5\x80\x80\x80"])
def test_what_is_not_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(MetainfoError, match="not valid UTF-8"):
        decode_text(raw, "the name")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("d", "a"), ("d", "a")),
        (("d", "\u00e9"), ("d", "e\u0301")),
        (("d", "a"), ("d", "a", "b")),
        (("d", "a", "b"), ("d", "a")),
        (("d", "a", "b", "c"), ("d", "a")),
        (("d", "\u00e9"), ("d", "e\u0301", "b")),
    ],
)
def test_two_things_in_one_place_are_noticed(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    taken = PathSet()
    taken.add(first)
    with pytest.raises(MetainfoError):
        taken.add(second)


def test_different_places_do_not_collide() -> None:
    taken = PathSet()
    for path in [("d", "a"), ("d", "A"), ("d", "b", "a"), ("d", "b", "c"), ("d", "ab"), ("e", "a")]:
        taken.add(path)


def test_hostile_text_is_shown_harmlessly() -> None:
    assert without_unsafe_characters("a\x1b[31m\u202eb\x9bc") == "a[31mbc"
    assert shorten("x" * 1000) == repr("x" * 60) + "…"
    assert shorten(b"\x1b") == repr(b"\x1b")
