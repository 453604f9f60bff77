"""Stored state: whatever is in the file, it is read, or refused with the one error."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.errors import ResumeError
from bittorrent.storage.ports import FileStamp
from bittorrent.storage.resume_state import ResumeState, _checksum
from transfer.wire import bencode

VALID = ResumeState(
    info_hash=bytes(20), have=b"\xf0", stamps=(FileStamp(1, 2), None), priorities=(4,), paths={0: ("a", "b")}
)
values = st.recursive(
    st.integers(-(2**70), 2**70) | st.binary(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.binary(max_size=12), children, max_size=4),
    max_leaves=12,
)
KEYS = [key.decode() for key in bencode.decode_dict(VALID.to_bytes()[16:])]


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for candidate in (data, _checksum(data) + data):
        with suppress(ResumeError):
            ResumeState.from_bytes(candidate)


@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_values(changes: dict[str, object]) -> None:
    fields = {key.decode(): value for key, value in bencode.decode_dict(VALID.to_bytes()[16:]).items()}
    content = bencode.encode({**fields, **changes})  # type: ignore[arg-type]
    with suppress(ResumeError):
        state = ResumeState.from_bytes(_checksum(content) + content)
        assert ResumeState.from_bytes(state.to_bytes()) == state
