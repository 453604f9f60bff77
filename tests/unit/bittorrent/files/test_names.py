"""Names from a stranger: each is made safe, and harmless ones stay as they are."""

from __future__ import annotations

import pytest

from bittorrent.files.names import NameRules, clean_name, cut_to, is_state_folder, safe_name, safe_top_name

POSIX = NameRules(is_windows=False, ignores_case=False)
WINDOWS = NameRules(is_windows=True, ignores_case=True)

# What libtorrent's test_torrent_info.cpp expects of sanitize_append_path_element; both columns are the last element.
AS_LIBTORRENT = {
    "plain": (b"filename=4", "filename=4"),
    "dots inside": (b"a...b", "a...b"),
    "three dots": (b"...", "..."),
    "trailing dots": (b"abc...", "abc..."),
    "trailing dot": (b"abc.", "abc."),
    "dots and spaces": (b"a. . .", "a. . ."),
    "trailing spaces": (b"abc   ", "abc   "),
    "only spaces": (b"   ", "   "),
    "absolute": (b"/a/", "a"),
    "backslash": (b"\\c", "c"),
    "path inside": (b"test2/../test3/.././../../test4", "test2..test3.......test4"),
    "absolute path": (b"/test1/test2/test3", "test1test2test3"),
    "colon": (b"dev:", "dev:"),
    "drive": (b"c:", "c:"),
    "colon inside": (b"foo:bar", "foo:bar"),
    "control": (b"\b", "_"),
    "control and question mark": (b"\b?filename=4", "_?filename=4"),
    "two bytes": (b"filename\xc2\xa1", "filename\u00a1"),
    "truncated two bytes": (b"filename\xc2", "filename_"),
    "three bytes": (b"filename\xe2\x9f\xb9", "filename\u27f9"),
    "truncated three bytes": (b"filename\xe2\x9f", "filename_"),
    "truncated three bytes at the first": (b"filename\xe2", "filename_"),
    "four bytes": (b"filename\xf0\x9f\x92\x88", "filename\U0001f488"),
    "truncated four bytes": (b"filename\xf0\x9f\x92", "filename_"),
    "five bytes": (b"filename\xf8\x9f\x9f\x9f\x9ffoobar", "filename_foobar"),
    "overlong two bytes": (b"filename\xc0\xae", "filename_"),
    "overlong three bytes": (b"filename\xe0\x80\xae", "filename_"),
    "overlong four bytes": (b"filename\xf0\x80\x80\xae", "filename_"),
    "surrogate": (b"\xed\xa0\x80x", "_x"),
    "beyond Unicode": (b"\xf4\x90\x80\x80x", "_x"),
    "left to right mark": (b"foo\xe2\x80\x8ebar", "foobar"),
    "right to left embedding": (b"foo\xe2\x80\xabbar", "foobar"),
    # of libtorrent 2.1
    "isolate": (b"foo\xe2\x81\xa6bar", "foobar"),
    "byte order mark": (b"\xef\xbb\xbffoo", "foo"),
    "zero width space": (b"foo\xe2\x80\x8bbar", "foobar"),
    "delete": (b"foo\x7f", "foo_"),
    "c1": (b"foo\xc2\x9b2J", "foo_2J"),
    "nul": (b"foo\0bar", "foobar"),
    "device": (b"CON", "CON"),
    "device with extension": (b"aux.tar.gz", "aux.tar.gz"),
    "256 bytes": (b"a" * 256, "a" * 240),
    "300 bytes with an extension": (b"a" * 300 + b".test", "a" * 240 + ".test"),
    "only the last extension": (b"a" * 300 + b".tar.gz", "a" * 240 + ".gz"),
    "extension that is too long": (b"a" * 300 + b".abcdefghi", "a" * 240),
    "no character is cut in two": (b"a" * 239 + "\u2014".encode() + b"abcdefghijklmno.jpg", "a" * 239 + "\u2014.jpg"),
    "256 bytes in 128 characters": ("\u00e9".encode() * 128, "\u00e9" * 120),
}


@pytest.mark.parametrize(("raw", "name"), AS_LIBTORRENT.values(), ids=AS_LIBTORRENT.keys())
def test_names_are_made_safe_as_libtorrent_does(raw: bytes, name: str) -> None:
    """rtorrent#1969, #1960, libtorrent#398, #6141, transmission#6187, aria2#1131, qBittorrent#7038, qui#2152."""
    assert safe_name(raw, POSIX) == name


@pytest.mark.parametrize(
    "raw", [b"", b".", b"..", b"/", b"//\\", b"/..", b"./.", b"\0", b"\xe2\x80\x8e", b"\xef\xbb\xbf."]
)
def test_a_name_of_which_nothing_is_left_is_an_underscore(raw: bytes) -> None:
    assert clean_name(raw, POSIX) == ""
    assert safe_name(raw, POSIX) == "_"


@pytest.mark.parametrize(
    "name",
    [
        "readme.txt",
        ".hidden",
        "..double",
        "Foo: Bar (1999) [x264].mkv",
        "日本語のファイル.txt",
        "e\u0301",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        "a" * 255,
        "\u00e9" * 127,
        '100% "quoted" <tag> |*?\'',
        "soft\u00adhyphen",
    ],
)
def test_harmless_names_stay(name: str) -> None:
    assert safe_name(name.encode(), POSIX) == name


def test_a_broken_sequence_swallows_no_letter_behind_it() -> None:
    """libtorrent leaves `Bj_mp3` of this name in Latin-1, without the dot of its extension."""
    assert safe_name(b"Bj\xf6rk.mp3", POSIX) == "Bj_rk.mp3"
    assert safe_name(b"\xe9t\xe9", POSIX) == "_t_"
    assert safe_name(b"\xff\xfe\x80", POSIX) == "___"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"abc...", "abc"),
        (b"a. . .", "a"),
        (b"abc   ", "abc"),
        (b"   ", "_"),
        (b"...", "_"),
        (b"c:", "c_"),
        (b"c:evil.exe", "c_evil.exe"),
        (b'a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        (b"NUL", "_NUL"),
        (b"con.txt", "_con.txt"),
        (b"LPT1 .txt", "_LPT1 .txt"),
        ("com\u00b2".encode(), "_com\u00b2"),
        (b"CONIN$", "_CONIN$"),
        (b"console", "console"),
        (b"COM10", "COM10"),
    ],
)
def test_windows_has_rules_of_its_own(raw: bytes, name: str) -> None:
    assert safe_name(raw, WINDOWS) == name


@pytest.mark.parametrize("name", [".kad", ".KAD", ".k\u200cad", "\uff0ekad", ".kad.", ".\u00adkad"])
def test_a_torrent_cannot_reach_into_the_state_of_downloads(name: str) -> None:
    assert is_state_folder(name, POSIX)
    assert not is_state_folder(safe_top_name(name, POSIX), POSIX)
    assert safe_top_name("music", POSIX) == "music"


def test_the_short_name_of_the_state_folder_on_windows() -> None:
    assert safe_top_name("KAD~1", WINDOWS) == "_KAD~1"
    assert safe_top_name("KAD~1", POSIX) == "KAD~1"


def test_names_that_a_system_takes_for_one() -> None:
    assert WINDOWS.key("A\u00e9") == WINDOWS.key("aE\u0301")
    assert POSIX.key("A") != POSIX.key("a")


def test_cutting_leaves_whole_characters() -> None:
    assert cut_to("a\u00e9b", 2) == "a"
    assert cut_to("a\u00e9b", 3) == "a\u00e9"
    assert cut_to("ab", 9) == "ab"
