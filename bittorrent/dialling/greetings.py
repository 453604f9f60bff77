"""By which hash a peer is greeted that is called: of a hybrid torrent it may know one and not the other. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from bittorrent.identity.torrent_id import TorrentId
from transfer.address import Address


class Greeting(NamedTuple):
    """What a handshake of ours says of the torrent.

    Attributes:
        info_hash: by which it is asked for, 20 bytes.
        offers_upgrade: the peer may answer with the version 2 hash instead (BEP 52).
    """

    info_hash: bytes
    offers_upgrade: bool = False


class GreetingBook:
    """Remembers which greeting a peer is to hear first.

    A hybrid torrent is asked for by its version 1 hash, and the upgrade is offered: that suits everybody who knows both
    hashes, and those old clients that look at no reserved bit. Two kinds of peers hang up. Who has a link to the
    version 1 hash and no metadata yet (libtorrent 2.1) can take up no upgrade: it is greeted without the offer. Who
    knows the version 2 hash alone is greeted by that one, at first if it was found under it.

    Args:
        torrent_id: what is known of the hashes of the torrent.
        max_remembered: peers; the one of which something was learnt first is forgotten.

    Invariants:
        at most max_remembered peers are remembered, each with a place in `greetings`
        a torrent that is not known to be a hybrid has one greeting, which offers nothing
    """

    def __init__(self, torrent_id: TorrentId, *, max_remembered: int) -> None:
        self.greetings = _greetings_of(torrent_id)
        self._max_remembered = max_remembered
        self._first: OrderedDict[Address, int] = OrderedDict()

    def learn(self, torrent_id: TorrentId) -> None:
        """The torrent turned out to have another hash as well."""
        greetings = _greetings_of(torrent_id)
        if greetings != self.greetings:
            self.greetings = greetings
            self._first.clear()

    def greeting_for(self, address: Address) -> Greeting:
        """How a peer is greeted next."""
        return self.greetings[self._first.get(address, 0)]

    def found(self, address: Address, info_hash: bytes) -> None:
        """Somebody named this peer who was asked about this hash. The version 1 hash leads to everything."""
        if len(self.greetings) > 1:
            if info_hash == self.greetings[0].info_hash:
                self._first[address] = 0
            else:
                self._first.setdefault(address, len(self.greetings) - 1)
            self._forget_oldest()

    def turned_away(self, address: Address) -> bool:
        """A peer hung up on our greeting, over each path: another one comes next.

        Returns whether there is one that may be tried at once: after the last one comes the first, and not before some
        time has passed, and whatever it was may be over.
        """
        following = (self._first.get(address, 0) + 1) % len(self.greetings)
        if len(self.greetings) > 1:
            self._first[address] = following
            self._forget_oldest()
        return following > 0

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert len(self._first) <= self._max_remembered
        assert all(0 <= number < len(self.greetings) for number in self._first.values())
        assert (len(self.greetings) > 1) == any(one.offers_upgrade for one in self.greetings)

    def _forget_oldest(self) -> None:
        if len(self._first) > self._max_remembered:
            self._first.popitem(last=False)


def _greetings_of(torrent_id: TorrentId) -> tuple[Greeting, ...]:
    if not torrent_id.is_hybrid:
        return (Greeting(torrent_id.info_hash),)
    first, last = torrent_id.info_hash, torrent_id.short[-1]
    return (Greeting(first, offers_upgrade=True), Greeting(first), Greeting(last))
