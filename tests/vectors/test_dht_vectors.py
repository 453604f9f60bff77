"""Published vectors of the extensions of the mainline DHT; each block names its source."""

from __future__ import annotations

from random import Random

import pytest

from kademlia_core import Key
from kademlia_core.mainline.bloom import BloomFilter
from kademlia_core.mainline.items import ImmutableItem, MutableItem, signed_bytes, target_of
from kademlia_core.mainline.node_id import crc32c, is_valid_for, node_id_for
from kademlia_core.mainline.pointer import PointerLink
from kademlia_core.mainline.signing import SigningKey, is_signed

# BEP 33, "Test Vectors".
FILTER = bytes.fromhex(
    "F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE FE5EEDB1 FBFAFF67 F6ABFF5E"
    "43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B 7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14"
    "8246C2BC 5DBFF7E7 EFDCF24F D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3"
    "FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5 BFAF2E9E BFFFFEEC D67ADBF7"
    "C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57 62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB"
    "737FFFFB FD9F6AEF FEEE76B6 FD8F72EF"
)

# BEP 42, "Node ID restriction": address, r, and an id whose bits 22 to 152 are arbitrary.
NODE_IDS = [
    ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
    ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
    ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
    ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
    ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
]

# BEP 44, "Test Vectors".
OWNER = bytes.fromhex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548")
VALUE = b"12:Hello World!"
ITEMS = [
    (
        b"",
        b"3:seqi1e1:v12:Hello World!",
        "4a533d47ec9c7d95b1ad75f576cffc641853b750",
        (
            "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
            "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"
        ),
    ),
    (
        b"foobar",
        b"4:salt6:foobar3:seqi1e1:v12:Hello World!",
        "411eba73b6f087ca51a3795d9c8c938d365e32c1",
        (
            "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
            "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"
        ),
    ),
]

# BEP 46, "Test Vectors".
POINTERS = [
    (
        "magnet:?xs=urn:btpk:8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e",
        "cc3f9d90b572172053626f9980ce261a850d050b",
    ),
    (
        "magnet:?xs=urn:btpk:8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e&s=6e",
        "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f",
    ),
]

# RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
SIGNATURES = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2"
            "4655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
            "eeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28"
            "dc027beceea1ec40a"
        ),
    ),
]


def test_bep33_filter() -> None:
    bloom = BloomFilter(f"192.0.2.{last}" for last in range(256))
    for last in range(0x3E8):
        bloom.insert(f"2001:db8::{last:x}")
    assert bytes(bloom) == FILTER
    assert round(bloom.estimate(), 4) == 1224.9309  # printed as 1224.9308, cut off instead of rounded
    assert BloomFilter.from_bytes(FILTER) == bloom


@pytest.mark.parametrize(("host", "r", "text"), NODE_IDS)
def test_bep42_node_ids(host: str, r: int, text: str) -> None:
    published = Key.from_hex(text)
    assert is_valid_for(published, host)
    ours = node_id_for(host, Random(1), r=r)
    assert ours.shared_prefix_length(published) >= 21
    assert bytes(ours)[-1] == r == bytes(published)[-1]


@pytest.mark.parametrize(("host", "r", "text"), NODE_IDS)
def test_bep42_refuses_any_other_prefix(host: str, r: int, text: str) -> None:
    published = Key.from_hex(text)
    for bit in range(21):
        assert not is_valid_for(Key(published.value ^ 1 << (159 - bit), 160), host), "each of the first 21 bits counts"
    for bit in range(21, 157):
        assert is_valid_for(Key(published.value ^ 1 << (159 - bit), 160), host), "none of the following ones does"
    for other in range(1, 8):
        assert not is_valid_for(Key(published.value ^ other, 160), host), "the last three bits choose the prefix"


def test_rfc3720_crc32c() -> None:
    """RFC 3720, appendix B.4, and the check value of the CRC catalogue (CRC-32/ISCSI)."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.parametrize(("salt", "signed", "target", "signature"), ITEMS, ids=["unsalted", "salted"])
def test_bep44_mutable_items(salt: bytes, signed: bytes, target: str, signature: str) -> None:
    item = MutableItem(OWNER, 1, VALUE, bytes.fromhex(signature), salt)
    assert signed_bytes(VALUE, seq=1, salt=salt) == signed
    assert item.verify()
    assert item.target == target_of(OWNER, salt) == Key.from_hex(target)
    assert item.decoded() == b"Hello World!"


def test_bep44_immutable_item() -> None:
    item = ImmutableItem.of("Hello World!")
    assert item == ImmutableItem(VALUE)
    assert item.target == Key.from_hex("e5f96f6f38320f0f33959cb4d3d656452117aadb")


@pytest.mark.parametrize(("text", "target"), POINTERS, ids=["unsalted", "salted"])
def test_bep46_links(text: str, target: str) -> None:
    link = PointerLink.parse(text)
    assert link.target == Key.from_hex(target)
    assert str(link) == text


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), SIGNATURES)
def test_rfc8032_signatures(seed: str, public_key: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public_key == bytes.fromhex(public_key)
    assert key.sign(bytes.fromhex(message)) == bytes.fromhex(signature)
    assert is_signed(bytes.fromhex(message), bytes.fromhex(signature), key.public_key)
