"""Controllers by their names."""

from __future__ import annotations

import random

import pytest

from transfer.congestion import registry
from transfer.congestion.ledbat import Ledbat, LedbatConfig
from transfer.congestion.registry import UnknownControllerError, controller_names, make_controller, register_controller
from transfer.errors import TransferError


@pytest.mark.parametrize("name", controller_names())
def test_every_name_makes_a_controller_of_that_name(name: str) -> None:
    controller = make_controller(name.upper(), packet_bytes=1200, rng=random.Random(1))
    assert controller.name == name
    assert controller.window >= 1200
    assert controller.needs_rate == name.startswith("bbr")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownControllerError) as caught:
        make_controller("vegas", packet_bytes=1200, rng=random.Random(1))
    assert str(caught.value).startswith("no congestion controller is called 'vegas': choose one of reno")
    assert caught.value.known == controller_names()
    assert isinstance(caught.value, TransferError)


def test_packets_have_a_size() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        make_controller("reno", packet_bytes=0, rng=random.Random(1))


def test_a_controller_of_ones_own_is_made_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    config = LedbatConfig.of_rfc6817()
    register_controller("ledbat-rfc6817", lambda packet_bytes, rng: Ledbat(packet_bytes=packet_bytes, config=config))
    assert controller_names()[-1] == "ledbat-rfc6817"
    controller = make_controller("LEDBAT-RFC6817", packet_bytes=1000, rng=random.Random(1))
    controller.on_timeout(now=1.0)
    assert controller.window == 2000  # MIN_CWND of the RFC


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("reno", "already"),
        ("", "small letters"),
        ("Mine", "small letters"),
        ("my own", "one word"),
        (" mine", "one word"),
    ],
)
def test_names_that_would_mislead_are_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        register_controller(name, lambda packet_bytes, rng: Ledbat(packet_bytes=packet_bytes))
    assert name not in controller_names() or name == "reno"
