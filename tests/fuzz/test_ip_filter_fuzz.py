"""Whatever a list of addresses holds: it is read, or refused as one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bittorrent.ip_filter import IpFilter, IpFilterError

octets = st.integers(0, 300).map(str) | st.sampled_from(["000", "08", "", "-1", "٣"])
hosts = st.lists(octets, min_size=3, max_size=5).map(".".join) | st.ip_addresses().map(str) | st.text(max_size=5)
marks = st.sampled_from([" - ", "-", ":", "/", " , ", "#", "\n", "\r", "\x85", "", "/24", ", 100 , ", "name:"])
lines = st.lists(hosts | marks, max_size=8).map("".join)


@given(st.lists(lines | st.text(max_size=20), max_size=6).map("\n".join))
@example("1.2.3.4-5.6.7.8,99999999999999999999,x")
@example("1.2.3.4%eth0")
@example("fe80::1%eth0/64")
@example("\ud800:1.2.3.4-1.2.3.5")
def test_any_text(text: str) -> None:
    try:
        listed = IpFilter.parse(text)
    except IpFilterError:
        return
    assert 0 <= len(listed) <= len(text.splitlines())
    assert listed.blocks("1.2.3.4") in (True, False)
