"""Hole punching between whole sessions behind NAT boxes (BEP 55); every pair of kinds under `tox -e long`."""

from __future__ import annotations

import pytest

from bittorrent.dialling.encryption import Encryption
from bittorrent.dialling.paths import TCP, UTP, PathConfig
from tests.machine import is_long
from tests.simulation.punching import PAIRS, RELAY, play, theory
from transfer.simulation import NatKind

CONE, RESTRICTED, PORTS, SYMMETRIC = NatKind.FULL_CONE, NatKind.RESTRICTED, NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC
SOME = [(PORTS, PORTS), (SYMMETRIC, RESTRICTED), (RESTRICTED, SYMMETRIC), (SYMMETRIC, PORTS), (CONE, SYMMETRIC)]


@pytest.mark.parametrize(
    ("one", "other"), PAIRS if is_long() else SOME, ids=lambda kind: str(kind.value).replace(" ", "-")
)
def test_two_boxes_are_passed_exactly_where_theory_says(one: NatKind, other: NatKind) -> None:
    met = play(one, other)
    assert (met.peer is not None) == theory(one, other)
    assert met.introductions >= (met.how != "called")
    if met.how == "punched":
        assert met.peer is not None
        assert met.peer.transport == "utp"
        assert met.peer.introduced_by is not None
        assert met.peer.introduced_by.host == RELAY
        assert met.explained.endswith(f" (1 by hole punching through {RELAY}:6881)")
    if one is CONE:
        assert met.how == "called", "whoever can be called is not punched"


def test_a_firewall_that_lets_in_answers_only_is_passed() -> None:
    met = play(None, PORTS)
    assert met.how == "punched"


def test_two_firewalls_of_ipv6_are_passed_although_the_one_in_the_middle_is_met_over_tcp() -> None:
    """Where no box changes ports, a peer is found by the port that it says it listens at."""
    met = play(None, None, is_ipv6=True)
    assert met.how == "punched"
    assert met.peer is not None
    assert met.peer.transport == "utp"


@pytest.mark.parametrize("hairpin", [True, False])
def test_two_peers_behind_one_box_meet_if_it_sends_back_what_is_for_its_outer_address(hairpin: bool) -> None:
    met = play(PORTS, PORTS, hairpin=hairpin)
    assert met.how == ("punched" if hairpin else "no")


def test_encryption_and_lost_datagrams_are_no_hindrance() -> None:
    met = play(PORTS, PORTS, encryption=Encryption.REQUIRED, loss=0.1, seed=3)
    assert met.how == "punched"
    assert met.peer is not None
    assert met.peer.encryption == "rc4"


def test_without_that_path_they_do_not_meet() -> None:
    met = play(PORTS, PORTS, paths=PathConfig(paths=(TCP, UTP)))
    assert (met.how, met.introductions) == ("no", 0)
