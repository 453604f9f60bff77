"""What libp2p peers say before anybody knows them: addresses, keys, records, proposals, handshakes, identify."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transfer.host.delimited import delimited
from transfer.host.errors import IdentifyError
from transfer.host.identify import MAX_ADDRESSES, MAX_PROTOCOLS, MAX_SENT_BYTES, Identification, IdentifyReader
from transfer.host.peer_record import DOMAIN, PAYLOAD_TYPE, PeerRecord
from transfer.host.route import NotDialableError, route_of
from transfer.identity.envelope import Envelope
from transfer.identity.errors import IdentityError
from transfer.identity.keys import PrivateKey, PublicKey
from transfer.multiaddr.errors import MultiaddrError
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.negotiation.errors import NegotiationError
from transfer.negotiation.multistream import MAX_PROPOSALS, Chooser, Proposer
from transfer.negotiation.tokens import HEADER, encode_token
from transfer.security.noise.errors import NoiseError
from transfer.security.noise.handshake import XXHandshake
from transfer.security.noise.session import NoiseNegotiation
from transfer.security.plaintext import PlaintextError, PlaintextExchange


def run_multiaddr(data: bytes) -> str:
    """An address: what is read is written the same, as bytes and as text, and is called or refused by name."""
    try:
        address = Multiaddr(data)
    except MultiaddrError as error:
        return _refused(error)
    assert bytes(address) == data
    if address.is_known:
        assert Multiaddr.parse(str(address)) == address
    try:
        return f"called {route_of(address).carrier}"
    except NotDialableError as error:
        return f"{_refused(error)} {len(address)} {address.peer_id is None} {address.is_known}"


def run_envelope(data: bytes) -> str:
    """The first byte says whether an envelope is the input, or what was signed in one, or a key."""
    mode, body = (data[:1] or b"\0")[0] % 3, data[1:]
    try:
        if mode == 0:
            record = PeerRecord.open(body)
        elif mode == 1:
            record = PeerRecord.open(
                Envelope.seal(KEY, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=body).to_bytes()
            )
        else:
            key = PublicKey.from_bytes(body)
            assert PublicKey.from_bytes(key.to_bytes()) == key
            return f"key {key.type}"
    except IdentityError as error:
        return _refused(error)
    assert record.peer_id == KEY.peer_id
    return f"record {len(record.addresses).bit_length()}"


def run_multistream(data: bytes) -> str:
    """The first byte says who is called, the second how what comes is cut; what follows the agreement is handed on."""
    if len(data) < 2:
        return "short"
    side: Proposer | Chooser
    if data[0] & 1:
        side = Proposer(["/a/1", "/b/1"])
    else:
        side = Chooser(["/a/1", "/b/1"].__contains__, listed=["/a/1"] if data[0] & 2 else None)
    portion, words, sent = data[1] % 64 + 1, data[2:], 0
    try:
        for start in range(0, len(words), portion):
            side.receive(words[start : start + portion])
            sent += len(side.data_to_send())
            if side.selected is not None:
                assert words[: start + portion].endswith(side.rest)
                return f"{data[0] & 1} {side.selected} {len(side.rest) > 0}"
    except NegotiationError as error:
        return f"{data[0] & 1} {_refused(error)}"
    assert sent <= 40 * (MAX_PROPOSALS + 2)
    return f"{data[0] & 1} waits {sent.bit_length()}"


def run_identify(data: bytes) -> str:
    """The first byte says how what comes is cut. What was understood is bounded, and can be told again."""
    reader = IdentifyReader(KEY.public_key)
    portion, words = (data[:1] or b"\0")[0] + 1, data[1:]
    try:
        for start in range(0, len(words), portion):
            reader.receive(words[start : start + portion])
        found = reader.finish()
    except IdentifyError as error:
        return _refused(error)
    assert len(found.protocols or ()) <= MAX_PROTOCOLS
    assert len(found.addresses or ()) <= MAX_ADDRESSES
    assert all(len(message) <= MAX_SENT_BYTES + 2 for message in found.to_messages())
    said = [name for name in Identification.__slots__ if getattr(found, name)]
    return f"said {said}"


def run_noise(data: bytes) -> str:
    """The first byte chooses the side, and whether the input is what comes, or what a right handshake carries."""
    mode, body = (data[:1] or b"\0")[0], data[1:]
    is_initiator = bool(mode & 1)
    if mode & 4:
        exchange = PlaintextExchange(KEY.public_key, expected=KEY.peer_id if mode & 2 else None)
        try:
            exchange.receive(body)
        except PlaintextError as error:
            return _refused(error)
        return f"plaintext {exchange.public_key is None}"
    side = NoiseNegotiation(
        is_initiator=is_initiator, identity=KEY, static=_secret(1), ephemeral=_secret(2), muxers=["/yamux/1.0.0"]
    )
    try:
        if mode & 2:
            side.receive(body)
        else:
            _shake(side, body, is_initiator)
    except NoiseError as error:
        return f"{is_initiator} {_refused(error)}"
    assert len(side.data_to_send()) < 2048
    if side.session is not None:
        return f"{is_initiator} {side.session.muxer}"
    return f"{is_initiator} waits"


def _shake(side: NoiseNegotiation, payload: bytes, is_initiator: bool) -> None:
    """The part of the other side, with the input as what tells who it is."""
    other = XXHandshake(is_initiator=not is_initiator, static=_secret(3), ephemeral=_secret(4))
    if is_initiator:
        other.read(side.data_to_send()[2:])
    else:
        message = other.write()
        side.receive(len(message).to_bytes(2, "big") + message)
        other.read(side.data_to_send()[2:])
    message = other.write(payload)
    side.receive(len(message).to_bytes(2, "big") + message)


def _refused(error: Exception) -> str:
    text = str(error)
    assert "\n" not in text, "an error is one line"
    return "refused: " + " ".join(word for word in text.split()[:5] if word.isalpha())


def _secret(number: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def multiaddr_seeds() -> list[bytes]:
    texts = [
        "/ip4/192.0.2.1/tcp/4001",
        f"/ip6/2001:db8::1/udp/1/quic-v1/p2p/{KEY.peer_id}",
        "/dnsaddr/example.org/p2p-circuit",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1/tls/sni/x/ws",
        "/unix/a%2Fb",
        "/memory/7",
    ]
    return [bytes(Multiaddr.parse(text)) for text in texts] + [b"\x99\x99\x01hello"]


def envelope_seeds() -> list[bytes]:
    record = PeerRecord(KEY.peer_id, 7, (ADDRESS,)).seal(KEY)
    kinds = [KEY, OTHER]
    return [
        b"\0" + record.to_bytes(),
        b"\1" + record.payload,
        b"\0" + Envelope.seal(KEY, domain="x", payload_type=PAYLOAD_TYPE, payload=record.payload).to_bytes(),
        *(b"\2" + key.public_key.to_bytes() for key in kinds),
    ]


def multistream_seeds() -> list[bytes]:
    header, a, b = encode_token(HEADER), encode_token("/a/1"), encode_token("/b/1")
    no, ls = encode_token("na"), encode_token("ls")
    return [
        b"\1\x3f" + header + a + b"data",
        b"\1\0" + header + no + b,
        b"\0\x3f" + header + b + b"data",
        b"\2\5" + header + ls + encode_token("/c/1") + a,
        b"\0\x3f" + header + encode_token("/x") * 70,
    ]


def identify_seeds() -> list[bytes]:
    said = Identification(
        public_key=KEY.public_key,
        addresses=(ADDRESS,),
        protocols=("/a/1", "/b/1"),
        observed=ADDRESS,
        protocol_version="ipfs/0.1.0",
        agent="x",
        record_bytes=PeerRecord(KEY.peer_id, 7, (ADDRESS,)).seal(KEY).to_bytes(),
    )
    whole = b"".join(said.to_messages())
    return [b"\xff" + whole, b"\0" + whole, b"\xff" + whole + delimited(b"\x1a\x04/c/1"), b"\xff" + b"\0" * 12]


def noise_seeds() -> list[bytes]:
    first = NoiseNegotiation(is_initiator=True, identity=KEY, static=_secret(3), ephemeral=_secret(4))
    called = NoiseNegotiation(is_initiator=False, identity=KEY, static=_secret(1), ephemeral=_secret(2))
    message = first.data_to_send()
    called.receive(message)
    key = OTHER.public_key.to_bytes()
    payload = b"\x0a" + bytes([len(key)]) + key + b"\x12\x40" + bytes(64) + b"\x22\x0e\x12\x0c/yamux/1.0.0"
    return [
        b"\2" + message,
        b"\3" + called.data_to_send(),
        b"\0" + payload,
        b"\1" + payload,
        b"\4" + PlaintextExchange(KEY.public_key).data_to_send(),
        b"\6" + PlaintextExchange(OTHER.public_key).data_to_send(),
    ]


KEY = PrivateKey.from_seed(bytes(32))
OTHER = PrivateKey.from_seed(bytes(31) + b"\1")
ADDRESS = Multiaddr.parse("/ip4/192.0.2.1/tcp/4001")
