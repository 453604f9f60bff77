"""What the shared options accept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer

from fileshare.cli.options import parse_bootstrap, parse_endpoint, parse_listen, parse_selection
from kademlia_core import PUBLIC_ROUTERS
from transfer.address import Address


def test_endpoints() -> None:
    assert parse_endpoint("[::1]:6881", option="--peer") == Address("::1", 6881)
    assert parse_endpoint("peer.example:1", option="--peer") == Address("peer.example", 1)


def test_listen_addresses() -> None:
    assert parse_listen(None) is None
    assert parse_listen("127.0.0.1:0") == Address("127.0.0.1", 0)
    assert parse_listen("[::]:6881") == Address("::", 6881)


def test_bootstrap_addresses() -> None:
    assert parse_bootstrap(None) == PUBLIC_ROUTERS
    assert parse_bootstrap([]) == PUBLIC_ROUTERS
    assert parse_bootstrap(["none"]) == ()
    assert parse_bootstrap(["127.0.0.1:1", "a.example:2"]) == (Address("127.0.0.1", 1), Address("a.example", 2))
    assert parse_bootstrap(None, no_dht=True) is None


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda: parse_endpoint("1.2.3.4", option="--peer"), "HOST:PORT"),
        (lambda: parse_endpoint("::1:6881", option="--peer"), "[::1]:6881"),
        (lambda: parse_endpoint("1.2.3.4:0", option="--peer"), "port 0"),
        (lambda: parse_endpoint("1.2.3.4:65536", option="--peer"), "65535"),
        (lambda: parse_listen("localhost:6881"), "0.0.0.0"),
        (lambda: parse_listen("6881"), "HOST:PORT"),
        (lambda: parse_bootstrap(["none", "1.2.3.4:1"]), "alone"),
        (lambda: parse_bootstrap(["1.2.3.4:1"], no_dht=True), "--no-dht"),
    ],
)
def test_wrong_usage_says_what_would_be_right(wrong: Callable[[], object], hint: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        wrong()
    assert hint in str(caught.value)


def test_selections() -> None:
    assert parse_selection(None) == ()
    assert parse_selection(["0,3-5", "*.mkv", "7"]) == (0, range(3, 6), "*.mkv", 7)
    assert parse_selection(["a,b", "1-", "season 1/", "-1"]) == ("a,b", "1-", "season 1/", "-1")
    with pytest.raises(typer.BadParameter, match="ends before it begins"):
        parse_selection(["5-3"])
