"""From a stream of bytes to a muxer: layers on top of each other, of which each agrees on what stands above it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from transfer.aio.host.plugs import MuxerKind, Security
from transfer.aio.layer import Layer
from transfer.aio.negotiation import ChoosingLayer, ProposingLayer
from transfer.identity.peer_id import PeerId


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade came to.

    Attributes:
        layer: the last one, on which the muxer stands.
        muxer: what was agreed on.
        is_initiator: this side called.
    """

    layer: Layer
    muxer: MuxerKind
    is_initiator: bool


class Upgrade:
    """Makes the first layer of connections.

    Args:
        securities, muxers: the best first.
        finish: makes the muxer of a connection; what it raises ends the connection.
        is_lazy: with one kind of security, nobody waits for the answer to its proposal.
    """

    def __init__(
        self,
        securities: Sequence[Security],
        muxers: Sequence[MuxerKind],
        finish: Callable[[Upgraded], asyncio.BaseProtocol],
        *,
        is_lazy: bool = True,
    ) -> None:
        if not securities or not muxers:
            raise ValueError("a host needs a kind of security, and a muxer")
        self._securities = {security.protocol: security for security in securities}
        self._muxers = {muxer.protocol: muxer for muxer in muxers}
        self._finish = finish
        self._is_lazy = is_lazy and len(self._securities) == 1

    def dialling(self, expected: PeerId | None) -> Layer:
        """For a connection that this side has made, to a peer or to whoever is there."""
        names = list(self._securities)
        above = _Above(self._securities, self._muxers, self._finish, expected, is_initiator=True)
        return ProposingLayer(names, says="security", above=above.secured, is_lazy=self._is_lazy)

    def accepting(self) -> Layer:
        """For a connection that was accepted."""
        above = _Above(self._securities, self._muxers, self._finish, None, is_initiator=False)
        return ChoosingLayer(self._securities.__contains__, says="security", above=above.secured)


class _Above:
    """Of one connection: what stands above each layer."""

    def __init__(
        self,
        securities: Mapping[str, Security],
        muxers: Mapping[str, MuxerKind],
        finish: Callable[[Upgraded], asyncio.BaseProtocol],
        expected: PeerId | None,
        *,
        is_initiator: bool,
    ) -> None:
        self._securities = securities
        self._muxers = muxers
        self._finish = finish
        self._expected = expected
        self._is_initiator = is_initiator

    def secured(self, below: Layer, protocol: str) -> Layer:
        """What makes the connection safe."""
        return self._securities[protocol].make_layer(
            is_initiator=self._is_initiator, muxers=list(self._muxers), expected=self._expected, above=self.known
        )

    def known(self, below: Layer, muxer: str) -> asyncio.BaseProtocol:
        """The muxer, or the layer that agrees on one."""
        if muxer:
            return self.muxed(below, muxer)
        if self._is_initiator:
            return ProposingLayer(list(self._muxers), says="muxer", above=self.muxed)
        return ChoosingLayer(self._muxers.__contains__, says="muxer", above=self.muxed)

    def muxed(self, below: Layer, muxer: str) -> asyncio.BaseProtocol:
        """The muxer."""
        return self._finish(Upgraded(below, self._muxers[muxer], self._is_initiator))
