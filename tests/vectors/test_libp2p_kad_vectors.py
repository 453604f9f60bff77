"""Messages of libp2p's DHT as js-libp2p and go-libp2p sent them, and IPNS records as js makes them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.errors import RecordError, RequestRefusedError
from kademlia_core.libp2p.ipns import IpnsRecord, create_ipns_record, ipns_key
from kademlia_core.libp2p.messages import MessageType, decode, encode
from kademlia_core.libp2p.timestamps import NANOSECONDS, parse_timestamp
from kademlia_core.libp2p.validators import IpnsValidator, Validators
from tests.kad_world import WALL_S
from transfer.identity.keys import PrivateKey
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "libp2p_kad.json").read_text(encoding="utf-8"))
ANSWERS: dict[str, dict[str, dict[str, str | None]]] = VECTORS["kad"]["server_answers"]
RECORDS: list[dict[str, Any]] = VECTORS["ipns"]["records"]
GO_LEVEL = bytes.fromhex("5001")  # an obsolete field that go adds to everything
REQUESTER = PeerId(bytes.fromhex("002408011220ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"))
REQUESTER_ADDRESS = Multiaddr.parse("/ip4/127.0.0.1/tcp/4999")


class AnyValue:
    """The namespace `/v` of the recorded runs."""

    def validate(self, key: bytes, value: bytes, *, wall_s: float) -> None:
        pass

    def is_better(self, key: bytes, value: bytes, other: bytes) -> bool:
        return False


@pytest.mark.parametrize("peer", ANSWERS)
def test_recorded_messages_are_read_and_written_to_the_byte(peer: str) -> None:
    for name, exchange in ANSWERS[peer].items():
        request, answer = exchange["req"], exchange["resp"]
        assert request is not None
        if name == "unknown type 17":
            continue
        data = bytes.fromhex(request)
        assert encode(decode(data)) == data.removeprefix(b"\x08\x00"), "a type that is zero is left out"
        if answer is not None and (peer, name) != ("js", "FIND_NODE responder-id"):  # names one peer twice
            assert encode(decode(bytes.fromhex(answer))) == bytes.fromhex(answer).removesuffix(GO_LEVEL)


def test_what_clients_ask_is_understood() -> None:
    asked = {name: bytes.fromhex(data) for name, data in VECTORS["kad"]["client_requests_from_js"].items()}
    for name in ("FIND_NODE", "PUT_VALUE", "GET_VALUE", "GET_PROVIDERS"):
        assert decode(asked[name]).type.name == name
        assert encode(decode(asked[name])) == asked[name]
    announced = decode(asked["ADD_PROVIDER"])
    (provider,) = announced.providers
    assert [str(address) for address in provider.addresses] == ["/ip4/127.0.0.1/tcp/45463"], "its id at the end is cut"
    first = bytes.fromhex(
        VECTORS["kad"]["first_request_from_go_to_a_new_server (FIND_NODE for the server's own id)"]
    )  # fmt: skip
    assert decode(first).type is MessageType.FIND_NODE


def server_like(peer: str) -> Libp2pCore:
    """A node with the id and the table of a recorded one."""
    exchanges = ANSWERS[peer]
    own_id = PeerId(decode(bytes.fromhex(str(exchanges["FIND_NODE responder-id"]["req"]))).key)
    core = Libp2pCore(own_id, rng=Random(1), now=0.0, wall_s=WALL_S, validators=Validators({"v": AnyValue()}))
    known = decode(bytes.fromhex(str(exchanges["FIND_NODE random id"]["resp"]))).closer
    for info in known:
        core.learn(info.peer_id, info.addresses, is_server=True, now=0.0)
    for request in core.requests_to_open():
        core.receive_answer(request, b"\x08\x04", observed=request.peer.addresses[0], now=0.1)
    assert len(core.table) == len(known) == 3
    own = decode(bytes.fromhex(str(exchanges["FIND_NODE responder-id"]["resp"]))).closer[0]
    core.set_own_addresses(own.addresses)
    core.learn(REQUESTER, (REQUESTER_ADDRESS,), is_server=False, now=0.2)
    return core


def ask(core: Libp2pCore, request: str) -> bytes | None:
    answer = core.serve(bytes.fromhex(request), REQUESTER, observed=REQUESTER_ADDRESS, now=1.0)
    return answer[1 if answer[0] < 128 else 2 :] if answer is not None else None


def test_our_server_answers_as_js_does_to_the_byte() -> None:
    core = server_like("js")
    same = 0
    for name, exchange in ANSWERS["js"].items():
        expected = exchange["resp"]
        if name in ("FIND_NODE responder-id", "GET_VALUE /v", "GET_VALUE /pk/me", "PUT_VALUE key mismatch"):
            continue  # see below
        try:
            answer = ask(core, str(exchange["req"]))
        except RequestRefusedError:
            answer = None
        assert answer == (bytes.fromhex(expected) if expected is not None else None), name
        same += 1
    assert same == 17
    recorded = decode(bytes.fromhex(str(ANSWERS["js"]["FIND_NODE responder-id"]["resp"])))
    answer = ask(core, str(ANSWERS["js"]["FIND_NODE responder-id"]["req"]))
    assert answer is not None
    assert set(decode(answer).closer) == set(recorded.closer)
    answer = ask(core, str(ANSWERS["js"]["GET_VALUE /v"]["req"]))
    assert answer is not None
    record = decode(answer).record
    assert record is not None
    assert record.value == b"world"
    assert record.time_received == "2023-11-14T22:13:21.000000000Z"
    with pytest.raises(RequestRefusedError, match="another key"):  # as go does
        ask(core, str(ANSWERS["js"]["PUT_VALUE key mismatch"]["req"]))


def test_our_server_refuses_what_go_refuses() -> None:
    core = server_like("go")
    core.validators._by_namespace.pop(b"v")
    for name, exchange in ANSWERS["go"].items():
        try:
            answer, is_refused = ask(core, str(exchange["req"])), False
        except RequestRefusedError:
            answer, is_refused = None, True
        if name == "GET_VALUE /pk/me":
            continue  # go looked before the key was put
        expected = exchange["resp"]
        assert (answer is None) == (expected is None), name
        assert is_refused == (expected is None and not name.startswith("ADD_PROVIDER")), name
        if answer is not None and expected is not None and not name.startswith("PUT_VALUE"):
            said, meant = decode(answer), decode(bytes.fromhex(expected))
            assert (said.type, said.key, said.providers) == (meant.type, meant.key, meant.providers)
            named = {info.peer_id for info in said.closer}
            assert {info.peer_id for info in meant.closer} <= named


@pytest.mark.parametrize("vector", RECORDS, ids=lambda vector: vector["name"])
def test_ipns_records_of_js_are_verified(vector: dict[str, Any]) -> None:
    key, data = bytes.fromhex(vector["routing_key"]), bytes.fromhex(vector["record"])
    record = IpnsRecord.open(PeerId(key.removeprefix(b"/ipns/")), data)
    assert (record.value, record.validity) == (vector["value"].encode(), vector["validity"].encode())
    assert (str(record.sequence), record.ttl_s) == (vector["sequence"], int(vector["ttl_ns"]) / NANOSECONDS)
    if vector["js_validates"] is True:
        IpnsValidator().validate(key, data, wall_s=WALL_S)
    else:
        end_s = parse_timestamp(record.validity) / NANOSECONDS
        IpnsValidator().validate(key, data, wall_s=end_s - 1)
        with pytest.raises(RecordError, match="expired"):
            IpnsValidator().validate(key, data, wall_s=end_s + 1)


@pytest.mark.parametrize("name", ["ed25519 v1+v2", "ed25519 v2 only", "ed25519 large sequence"])
def test_ipns_records_of_ours_are_those_of_js_to_the_byte(name: str) -> None:
    vector = next(vector for vector in RECORDS if vector["name"] == name)
    key = PrivateKey.from_seed(bytes.fromhex(VECTORS["ipns"]["ed25519_seed"]))
    assert ipns_key(key.peer_id).hex() == vector["routing_key"]
    end_ns = parse_timestamp(vector["validity"].encode())
    ours = create_ipns_record(
        key,
        vector["value"],
        sequence=int(vector["sequence"]),
        wall_s=end_ns // 1_000_000 / 1000,
        lifetime_s=0.0,
        ttl_s=int(vector["ttl_ns"]) / NANOSECONDS,
        with_version_1="v1" in name or "large" in name,
    )
    assert ours.hex() == vector["record"]
