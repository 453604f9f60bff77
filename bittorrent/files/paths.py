"""What may be shown on a terminal, and which paths a user may give to a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bittorrent.errors import MetainfoError
from bittorrent.files.names import STATE_FOLDER as STATE_FOLDER
from bittorrent.files.names import SYSTEM_RULES, NameRules, is_state_folder, safe_name
from bittorrent.files.path_plan import MAX_PATH_BYTES


def check_path(elements: Sequence[str], rules: NameRules = SYSTEM_RULES) -> None:
    """Checks a path inside the download directory, one string for each folder and the last for the file.

    Raises:
        MetainfoError: the path is empty or too long, an element is not what `safe_name` would make of it, or it leads
            into this library's own folder.
    """
    if not elements:
        raise MetainfoError("unsafe file name: an empty path")
    for element in elements:
        check_element(element, rules)
    if sum(len(element.encode()) + 1 for element in elements) - 1 > MAX_PATH_BYTES:
        raise MetainfoError(f"unsafe file name {shorten(elements[-1])}: its path is longer than {MAX_PATH_BYTES} bytes")
    if is_state_folder(elements[0], rules):
        raise MetainfoError(f"unsafe file name {STATE_FOLDER!r}: that folder is where downloads keep their state")


def check_element(element: str, rules: NameRules = SYSTEM_RULES) -> None:
    """Checks one folder or file name.

    Raises:
        MetainfoError: it is not safe to be stored.
    """
    if element in (".", ".."):
        raise MetainfoError(f"unsafe file name {shorten(element)}: it leads out of its folder")
    safe = safe_name(element.encode(errors="surrogatepass"), rules)
    if safe != element:
        raise MetainfoError(f"unsafe file name {shorten(element)}: it could be stored as {shorten(safe)}")


def has_unsafe_characters(text: str) -> bool:
    """Whether printing `text` could do more than show it: control characters and bidirectional marks."""
    return _UNSAFE_CHARACTER.search(text) is not None


def without_unsafe_characters(text: str) -> str:
    """`text` fit to be shown on a terminal, for what is only read by people."""
    return _UNSAFE_CHARACTER.sub("", text)


def shorten(text: str | bytes) -> str:
    """The printable, quoted beginning of something hostile, for one line of an error."""
    return repr(text[:60]) + ("…" if len(text) > 60 else "")


# C0, DEL and C1 controls, left-to-right and right-to-left marks, embeddings, overrides and isolates, byte order mark;
# and surrogates, which are no characters (undecodable bytes of a command line arrive as such).
_UNSAFE_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
