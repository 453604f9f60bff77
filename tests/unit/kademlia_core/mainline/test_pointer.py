from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kademlia_core import Key
from kademlia_core.mainline.items import MutableItem, encode_value
from kademlia_core.mainline.pointer import PointerError, PointerLink, info_hash_in, pointer_to
from kademlia_core.mainline.signing import SigningKey

OWNER = SigningKey(b"s" * 32)
PK = OWNER.public_key.hex()
INFO_HASH = Key.from_bytes(b"i" * 20)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_links_come_back(public_key: bytes, salt: bytes) -> None:
    link = PointerLink(public_key, salt)
    assert PointerLink.parse(str(link)) == link


def test_a_pointer_can_be_published_and_followed() -> None:
    item = MutableItem.sign(OWNER, pointer_to(INFO_HASH), seq=1, salt=b"n")
    link = PointerLink.parse(f"magnet:?xs=urn:btpk:{PK}&s=6e")
    assert link.target == item.target
    assert item.value == b"d2:ih20:" + b"i" * 20 + b"e"
    assert info_hash_in(item.value) == INFO_HASH


@pytest.mark.parametrize(
    "text",
    [
        f"magnet:?xs=urn:btpk:{PK}",
        f"  MAGNET:?XS=URN:BTPK:{PK.upper()}&s=\n",
        f"magnet:?dn=a+name&xs=urn:btpk:{PK}&tr=http%3A%2F%2Ft%2F&xs=http%3A%2F%2Fcache%2F",
        f"magnet:?xs=urn%3Abtpk%3A{PK}&xs=urn:btpk:{PK}",
    ],
)
def test_links_as_they_are_written(text: str) -> None:
    assert PointerLink.parse(text) == PointerLink(OWNER.public_key)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a magnet link"),
        (f"xs=urn:btpk:{PK}", "not a magnet link"),
        ("magnet:?xt=urn:btih:" + "a" * 40, "no public key"),
        ("magnet:?xs=urn:btpk:", "32 bytes"),
        (f"magnet:?xs=urn:btpk:{PK}00", "32 bytes"),
        (f"magnet:?xs=urn:btpk:{PK[:-1]}g", "hexadecimal"),
        (f"magnet:?xs=urn:btpk:{PK[:-2]} 00", "hexadecimal"),
        (f"magnet:?xs=urn:btpk:{PK}&xs=urn:btpk:{'00' * 32}", "more than one"),
        (f"magnet:?xs=urn:btpk:{PK}&s=00&s=01", "more than one"),
        (f"magnet:?xs=urn:btpk:{PK}&s=0", "hexadecimal"),
        (f"magnet:?xs=urn:btpk:{PK}&s={'00' * 65}", "salt"),
        (f"magnet:?xs=urn:btpk:{PK}&dn={'x' * 70000}", "longer"),
    ],
)
def test_other_links_are_refused(text: str, reason: str) -> None:
    with pytest.raises(PointerError, match=reason) as caught:
        PointerLink.parse(text)
    assert "\n" not in str(caught.value)


def test_further_entries_are_ignored() -> None:
    assert info_hash_in(encode_value({"ih": bytes(INFO_HASH), "name": "x"})) == INFO_HASH


@pytest.mark.parametrize(
    "value", [b"", b"i1e", b"de", b"d2:ih19:1234567890123456789e", b"d2:ihi1ee", b"le", b"d2:ih", b"x" * 2000]
)
def test_other_values_are_refused(value: bytes) -> None:
    with pytest.raises(PointerError):
        info_hash_in(value)


def test_only_info_hashes_of_20_bytes_are_pointed_to() -> None:
    with pytest.raises(PointerError, match="not 32"):
        pointer_to(Key(0, 256))
