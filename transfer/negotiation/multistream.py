"""multistream-select 1.0 from both sides, without I/O (multiformats/multistream-select)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transfer.negotiation.errors import NegotiationError, NoCommonProtocolError
from transfer.negotiation.tokens import HEADER, LIST, REFUSAL, TokenReader, encode_token

MAX_PROPOSALS = 64


class Proposer:
    """The side that opened the connection or stream, and proposes one protocol after the other.

    The header and the first proposal leave in one write, and nothing of the other side is waited for: some wait for the
    header of the side that opened. A caller that has one protocol only may send its own data right behind (lazy
    negotiation); what was refused is then told when the refusal comes.

    Attributes:
        selected: what was agreed on; None as long as that is not known.
        rest: what the other side has sent since, for the protocol that was agreed on.
    """

    def __init__(self, protocols: Sequence[str]) -> None:
        """Proposes `protocols`, the best first.

        Raises:
            ValueError: none at all, or one that cannot be said.
        """
        if not protocols:
            raise ValueError("there has to be a protocol to propose")
        self._tokens = [encode_token(protocol) for protocol in protocols]
        self._protocols = tuple(protocols)
        self._place = 0
        self._reader = TokenReader()
        self._has_header = False
        self._output = encode_token(HEADER) + self._tokens[0]
        self.selected: str | None = None
        self.rest = b""

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes, until something is `selected`; then it is no longer for this one.

        Raises:
            NoCommonProtocolError: everything was refused.
            NegotiationError: the other side does not negotiate.
        """
        self._reader.feed(data)
        while self.selected is None and (token := self._reader.next_token()) is not None:
            if not self._has_header:
                if token != HEADER:
                    raise NegotiationError(f"the other side begins with {token[:40]!r} instead of {HEADER}")
                self._has_header = True
            elif token == self._protocols[self._place]:
                self.selected = token
                self.rest = self._reader.take_rest()
            elif token == REFUSAL:
                self._place += 1
                if self._place == len(self._protocols):
                    raise NoCommonProtocolError(self._protocols)
                self._output += self._tokens[self._place]
            else:
                raise NegotiationError(f"the other side answers {token[:40]!r} to {self._protocols[self._place]}")

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        output, self._output = self._output, b""
        return output


class Chooser:
    """The side that was called, and takes the first proposal that it speaks.

    Args:
        speaks: whether a protocol is spoken here.
        listed: what to tell who asks for a list; by default the question is refused, as go-libp2p does.

    Attributes: as those of `Proposer`.
    """

    def __init__(self, speaks: Callable[[str], bool], *, listed: Sequence[str] | None = None) -> None:
        self._speaks = speaks
        self._listed = listed
        self._reader = TokenReader()
        self._has_header = False
        self._refused = 0
        self._output = b""
        self.selected: str | None = None
        self.rest = b""

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """More of what comes, until something is `selected`; then it is no longer for this one.

        Raises:
            NegotiationError: the other side does not negotiate, or proposes without end.
        """
        self._reader.feed(data)
        while self.selected is None and (token := self._reader.next_token()) is not None:
            if not self._has_header:
                if token != HEADER:
                    raise NegotiationError(f"the other side begins with {token[:40]!r} instead of {HEADER}")
                self._has_header = True
                self._output += encode_token(HEADER)
            elif token == LIST and self._listed is not None:
                self._count()
                self._output += _listing(self._listed)
            elif token not in (LIST, REFUSAL, HEADER) and self._speaks(token):
                self.selected = token
                self.rest = self._reader.take_rest()
                self._output += encode_token(token)
            else:
                self._count()
                self._output += encode_token(REFUSAL)

    def data_to_send(self) -> bytes:
        """What is to be sent now."""
        output, self._output = self._output, b""
        return output

    def _count(self) -> None:
        self._refused += 1
        if self._refused > MAX_PROPOSALS:
            raise NegotiationError(f"the other side has proposed {MAX_PROPOSALS} protocols that are not spoken here")


def _listing(protocols: Sequence[str]) -> bytes:
    """As js-libp2p has it: one message that holds a message for each, and ends with a line feed."""
    from transfer.wire.varint import encode_varint

    inner = b"".join(encode_token(protocol) for protocol in protocols) + b"\n"
    return encode_varint(len(inner)) + inner
