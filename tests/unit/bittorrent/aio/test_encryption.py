"""Sessions of every mind about encryption, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest

from bittorrent import Session, SessionConfig
from bittorrent.aio.peers import encryption as peers_encryption
from bittorrent.dialling.encryption import Encryption
from bittorrent.identity.registry import TorrentRegistry
from bittorrent.identity.torrent_id import TorrentId
from tests.simulation.content_sessions import PORT, add, session_on, until
from tests.simulation.shared_content import SharedContent
from transfer.security.mse.keys import Rc4UnavailableError, torrent_mark
from transfer.simulation import Link, Simulation, run

SEED, LEECH = "10.0.0.1", "10.0.0.2"
OFF, PLAINTEXT, ENCRYPTED, REQUIRED = Encryption


def meet(called: Encryption, calls: Encryption) -> tuple[str | None, str | None] | None:
    """A download between the two: what both ends say about it; None when they do not meet within ten seconds."""

    async def scenario(simulation: Simulation) -> tuple[str | None, str | None] | None:
        content = SharedContent.make(1 << 20, 1 << 16, simulation.rng, private=True)
        async with (
            session_on(simulation, SEED, content, complete=True, encryption=called, up_bytes_per_s=500e3) as seeder,
            session_on(simulation, LEECH, content, encryption=calls) as leech,
        ):
            await (await add(simulation, SEED, seeder, content.metainfo, seed_only=True)).wait_complete()
            torrent = await add(simulation, LEECH, leech, content.metainfo, peers=[(SEED, PORT)])
            try:
                await until(lambda: torrent.statistics().downloaded_bytes > 0, within_s=10, every_s=0.01)
            except TimeoutError:
                return None
            assert simulation.now < 3
            theirs = seeder.torrents[content.metainfo.info_hash].peers()
            said = torrent.peers()[0].encryption, theirs[0].encryption
            await torrent.wait_complete()
            return said

    return run(scenario, seed=1, link=Link(delay_s=0.01)).result


EXPECTED = {
    (OFF, OFF): None,
    (OFF, PLAINTEXT): None,
    (OFF, ENCRYPTED): None,
    (PLAINTEXT, OFF): None,
    (PLAINTEXT, PLAINTEXT): None,
    (PLAINTEXT, ENCRYPTED): "plain",
    (PLAINTEXT, REQUIRED): "rc4",
    (ENCRYPTED, OFF): None,
    (ENCRYPTED, PLAINTEXT): None,
    (ENCRYPTED, ENCRYPTED): "rc4",
    (ENCRYPTED, REQUIRED): "rc4",
    (REQUIRED, PLAINTEXT): "rc4",
    (REQUIRED, ENCRYPTED): "rc4",
    (REQUIRED, REQUIRED): "rc4",
}


@pytest.mark.parametrize(("called", "calls"), list(product(Encryption, Encryption)))
def test_who_meets_whom_and_how(called: Encryption, calls: Encryption) -> None:
    met = meet(called, calls)
    if (called, calls) in EXPECTED:
        expected = EXPECTED[called, calls]
        assert met == (expected, expected)
    else:
        assert {called, calls} == {OFF, REQUIRED}
        assert met is None


@contextmanager
def without_rc4(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse() -> None:
        raise Rc4UnavailableError("this build of OpenSSL has no RC4")

    with monkeypatch.context() as patched:
        patched.setattr(peers_encryption, "require_rc4", refuse)
        yield


async def test_a_build_without_rc4_goes_without_encryption_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with without_rc4(monkeypatch):
        async with Session(tmp_path, host="127.0.0.1") as session:
            assert session._config.encryption is OFF
        session = Session(tmp_path, host="127.0.0.1", config=SessionConfig(encryption=REQUIRED))
        with pytest.raises(Rc4UnavailableError, match="no RC4"):
            await session.__aenter__()


class Listed:
    name = "a torrent"


def test_torrents_that_come_and_go_are_known_by_each_of_their_short_hashes() -> None:
    registry: TorrentRegistry[Listed] = TorrentRegistry()
    gate = peers_encryption.Gate(registry, PLAINTEXT)
    hybrid = TorrentId(bytes(20), b"v2" * 16)
    assert gate.find(torrent_mark(bytes(20))) is None
    listed = Listed()
    registry.add(hybrid, listed)
    assert gate.find(torrent_mark(bytes(20))) == bytes(20)
    assert gate.find(torrent_mark(b"v2" * 10)) == b"v2" * 10
    assert gate.find(bytes(20)) is None
    registry.discard(hybrid, listed)
    assert gate.find(torrent_mark(bytes(20))) is None
