"""No web seed, whatever it does, keeps a download from what an honest server or a peer has."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.web_seeds import Server, fetch
from transfer.simulation import run


@pytest.mark.parametrize("server", Server, ids=lambda server: server.name)
def test_beside_an_honest_server(server: Server) -> None:
    assert run(partial(fetch, servers=(server, Server.HONEST), peer_after_s=None)).result < 60


@pytest.mark.parametrize(
    "server", [server for server in Server if server is not Server.HONEST], ids=lambda server: server.name
)
def test_alone_until_a_peer_comes(server: Server) -> None:
    assert run(partial(fetch, servers=(server,), peer_after_s=100.0)).result < 60
