"""Keys, peer ids, addresses and signed records as other implementations have them; the file names each source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from transfer.host.peer_record import PeerRecord
from transfer.identity.envelope import Envelope
from transfer.identity.errors import IdentityError
from transfer.identity.keys import KeyType, PrivateKey, PublicKey
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "libp2p_identity.json").read_text(encoding="utf-8")
)
KEYS = [key for key in VECTORS["keys"] if key["type"] != "ECDSA P-256"]
KINDS = {"Ed25519": KeyType.ED25519, "secp256k1": KeyType.SECP256K1, "RSA": KeyType.RSA}
DEVIATIONS = {"/memory/1234", "/garlic32/566niximlxdzpanmn4qouucvua3k7neniwss47li5r6ugoertzuq"}  # js and py differ
HTTP_PATH = "/ip4/127.0.0.1/tcp/80/http/http-path/a%2Fb"  # js puts a slash in front


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key["type"])
def test_keys_and_peer_ids(key: dict[str, Any]) -> None:
    private = PrivateKey.from_bytes(bytes.fromhex(key["private_protobuf"]))
    public = PublicKey.from_bytes(bytes.fromhex(key["public_protobuf"]))
    assert private.type is public.type is KINDS[key["type"]]
    assert private.public_key == public
    assert private.to_bytes().hex() == key["private_protobuf"]
    assert public.to_bytes().hex() == key["public_protobuf"]
    peer_id = public.peer_id
    assert peer_id.multihash.hex() == key["peer_id_multihash"]
    assert str(peer_id) == key["peer_id_text"]
    assert peer_id.to_cid() == key["peer_id_cid_base32"]
    assert peer_id.to_cid("base36") == key["peer_id_cid_base36"]
    for text in (key["peer_id_text"], key["peer_id_cid_base32"], key["peer_id_cid_base36"]):
        assert PeerId.parse(text) == peer_id
    message = key["signed_message_utf8"].encode()
    assert public.verify(message, bytes.fromhex(key["signature"]))
    assert not public.verify(message + b"!", bytes.fromhex(key["signature"]))
    signature = private.sign(message)
    assert public.verify(message, signature)
    if key["signature_deterministic"]:
        assert signature.hex() == key["signature"]


def test_an_ecdsa_key_of_js_is_not_in_the_form_of_the_specification() -> None:
    """The secret one is as go-libp2p writes it; the public one is no SubjectPublicKeyInfo, and js refuses it itself."""
    (key,) = [key for key in VECTORS["keys"] if key["type"] == "ECDSA P-256"]
    private = PrivateKey.from_bytes(bytes.fromhex(key["private_protobuf"]))
    assert private.type is KeyType.ECDSA
    assert private.to_bytes().hex() == key["private_protobuf"]
    with pytest.raises(IdentityError, match="not a public key"):
        PublicKey.from_bytes(bytes.fromhex(key["public_protobuf"]))
    assert PublicKey.from_bytes(private.public_key.to_bytes()) == private.public_key


@pytest.mark.parametrize("row", VECTORS["multiaddrs"], ids=lambda row: row["text"][-60:])
def test_multiaddrs(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["bytes"] if row["text"] not in DEVIATIONS | {HTTP_PATH} else "00")
    address = Multiaddr.parse(row["text"])
    if row["text"] in DEVIATIONS:
        if row["text"].startswith("/memory"):
            data = bytes.fromhex(row["bytes"])  # as the table has it: text; py-multiaddr has a number
        else:
            data = bytes.fromhex(row["py_multiaddr_0.2.0"])  # as the table has it: bytes; js has the text
    elif row["text"] == HTTP_PATH:
        data = bytes.fromhex(row["py_multiaddr_0.2.0"])
    assert bytes(address) == data
    assert str(address) == row["canonical"]
    assert Multiaddr(data) == address
    assert str(Multiaddr(data)) == row["canonical"]


TAKEN = {"/ip4/127.0.0.1/tcp/4001/"}  # of the odd ones: a slash too many at the end


@pytest.mark.parametrize("row", VECTORS["odd_multiaddrs"], ids=lambda row: row["text"] or "nothing")
def test_odd_multiaddrs(row: dict[str, Any]) -> None:
    if row["text"] in TAKEN:
        assert bytes(Multiaddr.parse(row["text"])).hex() == row["bytes"]
    else:
        with pytest.raises(MultiaddrError):
            Multiaddr.parse(row["text"])


@pytest.mark.parametrize("row", VECTORS["signed_peer_records"], ids=lambda row: row["key"][:12])
def test_signed_peer_records(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["envelope"])
    record = PeerRecord.open(data)
    assert str(record.peer_id) == row["key"]
    assert record.sequence == int(row["seq"])
    assert [str(address) for address in record.addresses] == row["addrs"]
    envelope = Envelope.open(data, domain=row["domain"])
    assert envelope.payload.hex() == row["payload"]
    assert envelope.payload_type.hex() == row["payload_type"]
    assert envelope.to_bytes() == data
    keys = {key["peer_id_text"]: key["private_protobuf"] for key in VECTORS["keys"]}
    sealed = record.seal(PrivateKey.from_bytes(bytes.fromhex(keys[row["key"]])))
    assert sealed.payload.hex() == row["payload"]
    if row["deterministic"]:
        assert sealed.to_bytes() == data
