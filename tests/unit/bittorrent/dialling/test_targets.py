"""The one rule for targets on this machine and in private networks."""

from __future__ import annotations

import pytest

from bittorrent.dialling.targets import NamedBy, TargetRule
from bittorrent.swarm.peer_exchange import PeerExchange, PeerExchangeConfig
from bittorrent.wire.pex import PexFlags, PexMessage
from kademlia_core import Contact, Key
from kademlia_core.mainline.messages import Response
from kademlia_core.mainline.peer_lookup import PeerHarvest
from transfer.address import Address
from transfer.reach import Reach

RULE, ANYTHING = TargetRule(), TargetRule(allow_private=True)
PRIVATE = ["192.168.1.1", "127.0.0.1", "fe80::1", "::1", "169.254.169.254"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_server_is_the_users_to_name(host: str) -> None:
    assert RULE.allows_server(host, NamedBy.USER)
    assert not RULE.allows_server(host, NamedBy.TORRENT)
    assert not RULE.allows_server(host, NamedBy.STRANGER)
    assert ANYTHING.allows_server(host, NamedBy.STRANGER)


def test_a_public_server_is_anybodys_to_name() -> None:
    assert all(RULE.allows_server("8.8.8.8", named_by) for named_by in NamedBy)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h/announce", True),
        ("http://h/key/announce.php?passkey=1", True),
        ("http://h", True),
        ("http://h/", True),
        ("udp://h:1/x", True),
        ("http://h?passkey=1", False),
        ("http://h/reboot", False),
        ("http://h/announce/../reboot", False),
        ("http://h/announce/x?y=/announce", False),
    ],
)
def test_a_torrent_may_name_a_tracker_and_nothing_else(url: str, expected: bool) -> None:
    assert RULE.trusts_tracker(url, NamedBy.TORRENT) is expected
    assert not RULE.trusts_tracker(url, NamedBy.STRANGER)
    assert RULE.trusts_tracker(url, NamedBy.USER)
    assert ANYTHING.trusts_tracker(url, NamedBy.STRANGER)


@pytest.mark.parametrize(
    ("host", "own", "expected"),
    [
        ("8.8.8.8", None, True),
        ("192.168.1.7", "192.168.1.50", True),
        ("192.168.2.7", "192.168.1.50", False),
        ("10.0.0.1", None, False),
        ("169.254.169.254", "192.168.1.50", False),
        ("fd00::7", "fd00::50", True),
        ("::ffff:10.0.0.1", "192.168.1.50", False),
        ("127.0.0.1", None, True),  # whether to believe it is another question
    ],
)
def test_a_peer_of_our_own_network_may_be_called(host: str, own: str | None, expected: bool) -> None:
    assert RULE.allows_peer(host, own=own) is expected
    assert ANYTHING.allows_peer(host, own=None)


def test_nobody_elsewhere_knows_what_is_on_this_machine() -> None:
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert RULE.believes(host, teller=Reach.MACHINE)
        assert not RULE.believes(host, teller=Reach.NETWORK)
        assert not RULE.believes(host, teller=Reach.INTERNET)
        assert ANYTHING.believes(host, teller=Reach.INTERNET)
    assert RULE.believes("10.0.0.1", teller=Reach.INTERNET)


def test_peers_and_nodes_elsewhere_are_believed_only_with_the_flag() -> None:
    private, public = Address("192.168.1.7", 1), Address("8.8.8.8", 1)
    message = PexMessage(((private, PexFlags(0)), (public, PexFlags(0))))
    response = Response(transaction_id=b"t", sender=Key.from_bytes(bytes(20)), peers=(private, public))
    node = Contact(Key.from_bytes(bytes(20)), Address("9.9.9.9", 1))
    for flag, expected in ((False, [public]), (True, [private, public])):
        account = PeerExchange(Address("9.9.9.9", 1), now=0.0, config=PeerExchangeConfig(allow_private=flag))
        named = account.receive(message, now=0.0)
        assert named is not None
        assert [address for address, _ in named] == expected
        assert list(PeerHarvest(10, allow_private=flag).on_response(node, response)) == expected
