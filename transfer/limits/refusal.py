"""What a limit says when it refuses: which one, where, how much is in use, and whom it hit."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.errors import LimitExceededError


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One refusal.

    Attributes:
        limit: the name of the setting, as its config calls it.
        scope: what the limit holds for: "system", "10.0.0.0/24", the name of a torrent, …
        what: what is counted, in the plural: "inbound connections".
        in_use: how much of it there was.
        most: how much there may be for such a use; less than the setting where a part is kept for others.
        subject: what was refused: an address, as a rule.
    """

    limit: str
    scope: str
    what: str
    in_use: int
    most: int
    subject: str = ""

    def __str__(self) -> str:
        whom = f"{self.subject}: " if self.subject else ""
        return f"{whom}{self.scope} has {self.in_use} of {self.most} {self.what} ({self.limit})"


class LimitReachedError(LimitExceededError):
    """A limit refused something; `refusal` says which one, and how much is in use."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"refused: {refusal}")
        self.refusal = refusal
