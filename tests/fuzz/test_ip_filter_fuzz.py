"""Whatever a list of addresses holds: each line counts for itself, and no line stops the list."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, summarize_address_range

from hypothesis import example, given
from hypothesis import strategies as st

from bittorrent.dialling.ip_filter import MAX_SKIPPED_SHOWN, IpFilter, IpFilterError

octets = st.integers(0, 300).map(str) | st.sampled_from(["000", "08", "", "-1", "٣"])
hosts = st.lists(octets, min_size=3, max_size=5).map(".".join) | st.ip_addresses().map(str) | st.text(max_size=5)
marks = st.sampled_from([" - ", "-", ":", "/", " , ", "#", "\x85", "", "/24", ", 100 , ", "name:", "[", "]"])
lines = st.lists(hosts | marks, max_size=8).map("".join) | st.text(max_size=20)
one_line = lines.filter(lambda text: "\n" not in text and "\r" not in text)

LANDMARK, BESIDE = "93.184.216.34", "93.184.216.35"


@given(st.lists(one_line, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
@example(["1.2.3.4-5.6.7.8,99999999999999999999,x"], "\n")
@example(["1.2.3.4%eth0"], "\n")
@example(["fe80::1%eth0/64"], "\n")
@example(["\ud800:1.2.3.4-1.2.3.5"], "\n")
def test_no_line_stops_the_list(texts: list[str], end: str) -> None:
    each = [read(text) for text in texts]
    listed = IpFilter.parse(end.join([*texts, LANDMARK]))
    assert listed.blocks(LANDMARK), "the line behind all others counts"
    assert listed.skipped_lines == sum(made is None for made in each)
    assert [line.number for line in listed.skipped] == [
        number for number, made in enumerate(each, start=1) if made is None
    ][:MAX_SKIPPED_SHOWN]
    for host in (BESIDE, "1.2.3.4", "fe80::1"):
        assert listed.blocks(host) == any(made is not None and made.blocks(host) for made in each)


def read(text: str) -> IpFilter | None:
    """One line alone; None if it makes no sense."""
    try:
        return IpFilter.parse(text)
    except IpFilterError:
        return None


names = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12).filter(
    lambda name: not name.lstrip("\0 \t").startswith(("#", "//", ";", "!"))
)
Addresses = tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address]
ranges: st.SearchStrategy[Addresses] = st.one_of(
    st.tuples(*[st.ip_addresses(v=4)] * 2).map(lambda pair: (min(pair), max(pair))),
    st.tuples(*[st.ip_addresses(v=6, network="2000::/3")] * 2).map(lambda pair: (min(pair), max(pair))),
)


@given(st.lists(st.tuples(ranges, names, st.integers(0, 2)), min_size=1, max_size=5), st.data())
def test_every_format_blocks_exactly_what_it_names(
    written: list[tuple[Addresses, str, int]], data: st.DataObject
) -> None:
    texts = []
    for (first, last), name, form in written:
        match form:
            case 0:
                texts.append(f"{name}x:{first}-{last}")
            case 1:
                texts.append(f"{first} - {last} , {data.draw(st.integers(0, 127)):03} , {name}")
            case _:
                texts += [f"{name}x:{network}" for network in networks(first, last)]
    listed = IpFilter.from_bytes(data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + "\r\n".join(texts).encode())
    assert listed.skipped_lines == 0
    bounds = [address for pair, *_ in written for address in pair]
    for address in [*bounds, *(ip_address(int(each) ^ 1) if each.version == 4 else each + 1 for each in bounds)]:
        expected = any(
            pair[0].version == address.version and int(pair[0]) <= int(address) <= int(pair[1]) for pair, *_ in written
        )
        assert listed.blocks(str(address)) is expected, (str(address), texts)


def networks(first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address) -> list[IPv4Network | IPv6Network]:
    return list(summarize_address_range(first, last))
