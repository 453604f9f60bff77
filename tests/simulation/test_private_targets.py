"""Nobody leads a session to what is private, unless the user wants it, or it is in the same network."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.private_targets import ELSEWHERE, LOCALHOST, NEIGHBOUR, PUBLIC, ROUTER, Heard, name_them
from transfer.simulation import run

ALL = (NEIGHBOUR, ELSEWHERE, LOCALHOST, PUBLIC)


def heard(source: str, hosts: tuple[str, ...] = ALL, **options: object) -> Heard:
    return run(partial(name_them, source=source, hosts=hosts, **options)).result  # type: ignore[arg-type]


def test_peers_that_a_tracker_of_the_internet_names() -> None:
    result = heard("tracker")
    assert result.called == {NEIGHBOUR, PUBLIC}
    assert f"not called: {ELSEWHERE}:6881, at a private address; --allow-private allows that" in result.said


def test_only_a_tracker_on_this_machine_knows_who_is_on_it() -> None:
    assert heard("tracker", tracker=LOCALHOST).called == {NEIGHBOUR, LOCALHOST, PUBLIC}
    assert heard("tracker", tracker=ROUTER).called == {NEIGHBOUR, PUBLIC}


def test_peers_in_a_magnet_link() -> None:
    result = heard("magnet link")
    assert result.called == {NEIGHBOUR, PUBLIC}
    assert "--allow-private" in result.said
    assert heard("magnet link", ("printer.home",)).called == set(), "a name is judged by where it leads"


def test_peers_that_the_user_named() -> None:
    assert heard("user").called == set(ALL)
    assert heard("user", ("printer.home",)).called == {ELSEWHERE}


@pytest.mark.parametrize("source", ["tracker", "magnet link"])
def test_with_the_flag_every_peer_is_called(source: str) -> None:
    assert heard(source, allow_private=True).called == set(ALL)


def test_web_seeds_of_a_torrent_are_public() -> None:
    result = heard("web seed of a torrent", (ROUTER, LOCALHOST, PUBLIC))
    assert result.web == {PUBLIC}
    assert f"http://{ROUTER}/: it leads to a private address; --allow-private allows that" in result.said


def test_web_seeds_that_the_user_named_may_be_anywhere() -> None:
    assert heard("web seed", (ROUTER, LOCALHOST, PUBLIC)).web == {ROUTER, LOCALHOST, PUBLIC}
    assert heard("web seed of a torrent", (ROUTER,), allow_private=True).web == {ROUTER}


def test_trackers_of_a_magnet_link_are_public() -> None:
    result = heard("tracker of a magnet link", (ROUTER, LOCALHOST, PUBLIC))
    assert result.web == {PUBLIC}
    assert heard("tracker of a magnet link", (ROUTER,), allow_private=True).web == {ROUTER}
    assert heard("tracker of a torrent", (ROUTER,)).web == {ROUTER}
