"""Lists of hosts, in three formats."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.dialling.ip_filter import IpFilter, IpFilterError

LISTS = {
    "p2p": "# a comment\n\nSome: Company, Inc:1.2.3.4-1.2.3.9\nother:9.0.0.0 - 9.255.255.255\n",
    "dat": "001.002.003.004 - 001.002.003.009 , 100 , Some Company\n9.0.0.0-9.255.255.255,000\n",
    "cidr": "1.2.3.4/30  # half of it\n1.2.3.8-1.2.3.9\n9.0.0.0/8\n; the end\n// really",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("1.2.3.3", False),
        ("1.2.3.4", True),
        ("1.2.3.7", True),
        ("1.2.3.9", True),
        ("1.2.3.10", False),
        ("9.200.0.1", True),
        ("10.0.0.0", False),
        ("::1.2.3.4", False),
        ("localhost", False),
    ],
)
def test_every_format_says_the_same(name: str, host: str, expected: bool) -> None:
    listed = IpFilter.parse(LISTS[name])
    assert listed.blocks(host) is expected
    assert listed.skipped_lines == 0
    assert len(listed) == 2


def test_an_emule_level_above_127_allows() -> None:
    listed = IpFilter.parse("1.0.0.0 - 1.0.0.9 , 127 , no\n2.0.0.0 - 2.0.0.9 , 128 , yes\n")
    assert [listed.blocks(host) for host in ("1.0.0.5", "2.0.0.5")] == [True, False]
    assert listed.skipped_lines == 0


@pytest.mark.parametrize(
    ("level", "is_blocked"), [("0000000127", True), ("0000000200", False), ("0" * 40, True), ("9" * 40, False)]
)
def test_an_emule_level_may_have_any_number_of_digits(level: str, is_blocked: bool) -> None:
    assert IpFilter.parse(f"1.0.0.0 - 1.0.0.9 , {level} , name\n").blocks("1.0.0.5") is is_blocked


def test_ipv6() -> None:
    listed = IpFilter.parse("2001:db8::/32\nfe80::1\n2001:dead::1-2001:dead::ffff\n")
    hosts = ["2001:db8:1::7", "2001:db9::1", "fe80::1", "fe80::2", "2001:dead::7", "32.1.13.184"]
    assert [listed.blocks(host) for host in hosts] == [True, False, True, False, True, False]


def test_broken_lines_are_counted_and_skipped() -> None:
    listed = IpFilter.parse("1.2.3.4\nno sense\nbad:1.2.3.9-1.2.3.4\nx:1.2.3.400-1.2.3.401\n1.2.3.0/33\n9.0.0.1-::1\n")
    assert listed.skipped_lines == 5
    assert listed.blocks("1.2.3.4")
    assert len(listed) == 1


@pytest.mark.parametrize("text", ["<html>not found</html>", "x\ny\nz"])
def test_a_text_that_is_no_list_is_an_error(text: str) -> None:
    with pytest.raises(IpFilterError, match="none of the"):
        IpFilter.parse(text)


def test_an_empty_list_blocks_nobody() -> None:
    listed = IpFilter.parse("# nothing\n")
    assert not listed.blocks("1.2.3.4")
    assert len(listed) == 0


def test_too_many_ranges() -> None:
    with pytest.raises(IpFilterError, match="more than 2 ranges"):
        IpFilter.parse("1.1.1.1\n2.2.2.2\n3.3.3.3\n", max_ranges=2)


@pytest.mark.parametrize("wrong", [("1.2.3.4", "1.2.3.3"), ("1.2.3.4", "::1"), ("a", "b")])
def test_ranges_that_are_none(wrong: tuple[str, str]) -> None:
    with pytest.raises(IpFilterError):
        IpFilter([wrong])


small = st.integers(0, 30).map(lambda number: str(ip_address(0x09000000 + number)))


@given(st.lists(st.tuples(small, small).map(lambda pair: tuple(sorted(pair, key=ip_address)))), small)
def test_a_host_is_blocked_exactly_if_a_range_holds_it(ranges: list[tuple[str, str]], host: str) -> None:
    value = int(ip_address(host))
    expected = any(int(ip_address(first)) <= value <= int(ip_address(last)) for first, last in ranges)
    assert IpFilter(ranges).blocks(host) is expected
    text = "\n".join(f"name: with colon:{first}-{last}" for first, last in ranges)
    assert IpFilter.parse(text).blocks(host) is expected


@pytest.mark.parametrize(
    ("line", "first", "last"),
    [
        ("Some: Co, Inc:1.2.3.4-1.2.3.9", "1.2.3.4", "1.2.3.9"),
        ("a-b:1.2.3.0/24", "1.2.3.0", "1.2.3.255"),
        ("x:1.2.3.4", "1.2.3.4", "1.2.3.4"),
        (":1.2.3.0/24", "1.2.3.0", "1.2.3.255"),
        ("10:00-11:00 [x]:5.6.7.8-5.6.7.9", "5.6.7.8", "5.6.7.9"),
        ("C# Corp:1.2.3.4-1.2.3.5 # why", "1.2.3.4", "1.2.3.5"),
        ("x:010.000.000.000/08", "10.0.0.0", "10.255.255.255"),
        ("x:2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
        ("bad:2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
        ("cafe:2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("feed:fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("[2001:db8::]/126", "2001:db8::", "2001:db8::3"),
        ("2001:db8::1 - 2001:db8::ff , 000 , name", "2001:db8::1", "2001:db8::ff"),
        ("2001:db8::/126 , 100 , name", "2001:db8::", "2001:db8::3"),
        ("1.2.3.4-1.2.3.9,name without a level", "1.2.3.4", "1.2.3.9"),
        ("1.2.3.0/255.255.255.0", "1.2.3.0", "1.2.3.255"),
        ("::ffff:1.2.3.0/120", "1.2.3.0", "1.2.3.255"),
    ],
)
def test_lines_as_they_are_published(line: str, first: str, last: str) -> None:
    listed = IpFilter.parse(line)
    before, after = ip_address(first) - 1, ip_address(last) + 1
    found = [listed.blocks(str(host)) for host in (before, first, last, after)]
    assert found == [False, True, True, False]
    assert len(listed) == 1


def test_the_first_lines_that_make_no_sense_are_named() -> None:
    listed = IpFilter.parse("\ufeff# list\r\n1.2.3.4\r\n\r\nno sense\r\n" + "1.2.3.0/33\r\n" * 9 + "9.9.9.9")
    assert listed.skipped_lines == 10
    assert [str(line) for line in listed.skipped] == [
        "line 4: no sense",
        *(f"line {number}: 1.2.3.0/33" for number in range(5, 9)),
    ]
    assert listed.blocks("9.9.9.9")


@pytest.mark.parametrize(
    ("data", "reason"), [(b"PK\3\4...", "ZIP archive"), (b"\xff\xff\xff\xffP2B\2...", "P2B"), (b"\x1f\x8b", "unpacked")]
)
def test_other_kinds_of_files_are_named(data: bytes, reason: str) -> None:
    with pytest.raises(IpFilterError, match=reason):
        IpFilter.from_bytes(data)
