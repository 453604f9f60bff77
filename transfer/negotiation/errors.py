"""Why two peers did not agree."""

from __future__ import annotations

from collections.abc import Iterable

from transfer.errors import RemoteProtocolError


class NegotiationError(RemoteProtocolError):
    """The other side does not negotiate as multistream-select 1.0 has it."""


class NoCommonProtocolError(NegotiationError):
    """The other side speaks none of what was proposed; `protocols` are those."""

    def __init__(self, protocols: Iterable[str]) -> None:
        self.protocols = tuple(protocols)
        super().__init__(f"the other side speaks none of {', '.join(self.protocols)}")
