"""Controllers by their names."""

from __future__ import annotations

import random

import pytest

from transfer.congestion.registry import UnknownControllerError, controller_names, make_controller
from transfer.errors import TransferError


@pytest.mark.parametrize("name", controller_names())
def test_every_name_makes_a_controller_of_that_name(name: str) -> None:
    controller = make_controller(name.upper(), packet_bytes=1200, rng=random.Random(1))
    assert controller.name == name
    assert controller.window >= 1200


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownControllerError) as caught:
        make_controller("vegas", packet_bytes=1200, rng=random.Random(1))
    assert str(caught.value).startswith("no congestion controller is called 'vegas': choose one of reno")
    assert caught.value.known == controller_names()
    assert isinstance(caught.value, TransferError)


def test_packets_have_a_size() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        make_controller("reno", packet_bytes=0, rng=random.Random(1))
