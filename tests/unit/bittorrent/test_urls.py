"""URLs as they are found, and as they are sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.urls import escaped_url, is_http


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/a b", "http://h/a%20b"),
        ("a b/c", "a%20b/c"),
        ("/x y?q=a b#f", "/x%20y?q=a%20b"),
        ("//h/x|y", "//h/x%7Cy"),
        (" http://h/x ", "http://h/x"),
        ("http://h/a%20b?key=1&b=%2F", "http://h/a%20b?key=1&b=%2F"),
        ("http://h/100% sure%zz", "http://h/100%25%20sure%25zz"),
        ("http://h/[1].bin", "http://h/[1].bin"),
        ("http://münchen.example:80/ü", "http://xn--mnchen-3ya.example:80/%C3%BC"),
        ("http://h/\udcfc", "http://h/%FC"),
        ('http://h/"<>\\^`{}', "http://h/%22%3C%3E%5C%5E%60%7B%7D"),
        ("", ""),
    ],
)
def test_what_no_url_may_contain_is_escaped(url: str, expected: str) -> None:
    assert escaped_url(url) == expected
    assert escaped_url(expected) == expected


@given(st.text(max_size=40) | st.text("ht:/[]%@?#ü .1a", max_size=30))
def test_any_text_becomes_ascii_or_is_refused(text: str) -> None:
    try:
        escaped = escaped_url(text)
    except (ValueError, UnicodeEncodeError):
        return
    assert escaped.isascii()
    assert " " not in escaped


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://h/", True), ("https://[::1]:8/", True), ("ftp://h/", False), ("http://[", False), ("http://h:x/", False)],
)
def test_what_http_can_fetch(url: str, expected: bool) -> None:
    assert is_http(url) is expected
    assert not is_http("http://")
    assert not is_http("http://h:0/")
