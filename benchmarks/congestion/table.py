"""Rows of results: what we got, what was published, and whether that was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        case: the experiment's group, such as "C1".
        what: the experiment in words.
        ours: our figure, with its unit.
        published: the figure or goal of others, with its unit; "" when there is none to compare with.
        passed: whether ours reaches it; None: it is no goal.
        value: our figure as a number, for programs.
    """

    case: str
    what: str
    ours: str
    published: str = ""
    passed: bool | None = None
    value: float | None = None


def row(
    case: str,
    what: str,
    value: float,
    form: str,
    published: str = "",
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A figure with its goal: from `at_least` to `at_most`, where they are given."""
    is_goal = at_least is not None or at_most is not None
    passed = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return Row(
        case=case,
        what=what,
        ours=form.format(value),
        published=published,
        passed=passed if is_goal else None,
        value=value,
    )


def as_text(rows: Sequence[Row]) -> str:
    """A table for terminals, which is one in Markdown as well."""
    cells = [("case", "what", "ours", "published", "")]
    cells += [(one.case, one.what, one.ours, one.published, _verdict(one)) for one in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def missed(rows: Sequence[Row]) -> list[Row]:
    return [one for one in rows if one.passed is False]


def _verdict(one: Row) -> str:
    return "" if one.passed is None else "reached" if one.passed else "missed"
