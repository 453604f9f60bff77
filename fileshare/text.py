"""Text that may quote a stranger, made harmless."""

from __future__ import annotations


def one_line(text: str) -> str:
    """`text` without anything that ends a line or steers a terminal: it may quote a stranger."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def printable(text: str) -> str:
    """`text` as it is, unless it could do more than be shown: then `one_line` of it."""
    return text if text.isprintable() else one_line(text)
