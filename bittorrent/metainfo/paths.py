"""Which file names of a torrent are safe to create on any system.

A name comes from a stranger, so a torrent with a single bad name is refused as a whole. Other clients repair such names
(libtorrent drops bidirectional marks, replaces separators, renames duplicates); every repair is a rule that the sharing
side does not know, so that two clients disagree about what the torrent contains, and honest torrents rarely need one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bittorrent.errors import MetainfoError

MAX_ELEMENT_BYTES = 255  # NAME_MAX of the common file systems
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux
STATE_FOLDER = ".kad"  # where storage/resume.py keeps its files, inside the download directory


def check_path(elements: Sequence[str]) -> None:
    """Checks a path inside the download directory, one string for each folder and the last for the file.

    Raises:
        MetainfoError: the path is empty or too long, an element is unsafe, or it leads into this library's own folder.
    """
    if not elements:
        raise MetainfoError("a file of the torrent has an empty path")
    for element in elements:
        check_element(element)
    if sum(len(element.encode()) + 1 for element in elements) - 1 > MAX_PATH_BYTES:
        raise MetainfoError(f"unsafe file name {shorten(elements[-1])}: its path is longer than {MAX_PATH_BYTES} bytes")
    if elements[0].casefold() == STATE_FOLDER:
        raise MetainfoError(f"unsafe file name {STATE_FOLDER!r}: that folder is where downloads keep their state")


def check_element(element: str) -> None:
    """Checks one folder or file name.

    Raises:
        MetainfoError: it is empty, `.`, `..`, too long, holds a separator, a control character or an invisible mark
            that changes what is displayed, starts with a drive letter, ends with a dot or a space (Windows drops
            these, so that two names become one), or is a device name on Windows.
    """
    reason = _objection(element)
    if reason is not None:
        raise MetainfoError(f"unsafe file name {shorten(element)}: {reason}")


def decode_text(raw: bytes, what: str) -> str:
    """UTF-8 text; overlong forms and surrogates are invalid too.

    Raises:
        MetainfoError: not UTF-8.
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MetainfoError(f"{what} {shorten(raw)} is not valid UTF-8") from None


def has_unsafe_characters(text: str) -> bool:
    """Whether printing `text` could do more than show it: control characters and bidirectional marks."""
    return _UNSAFE_CHARACTER.search(text) is not None


def without_unsafe_characters(text: str) -> str:
    """`text` fit to be shown on a terminal, for what is only read by people."""
    return _UNSAFE_CHARACTER.sub("", text)


def shorten(text: str | bytes) -> str:
    """The printable, quoted beginning of something hostile, for one line of an error."""
    return repr(text[:60]) + ("…" if len(text) > 60 else "")


class PathSet:
    """Notices two files at one place, and a file where a folder has to be.

    Names that differ only in Unicode normalisation count as one, because some file systems store both as one. Names
    that differ only in case are different: source trees have them, and most file systems keep them apart.
    """

    __slots__ = ("_files", "_folders")

    def __init__(self) -> None:
        self._files: set[tuple[str, ...]] = set()
        self._folders: set[tuple[str, ...]] = set()

    def __contains__(self, elements: tuple[str, ...]) -> bool:
        """Whether it is one of the files, or a folder around one."""
        elements = _composed(elements)
        return elements in self._files or elements in self._folders

    def add(self, elements: tuple[str, ...]) -> None:
        """Takes the path of one more file.

        Raises:
            MetainfoError: it collides with an earlier one.
        """
        elements = _composed(elements)
        if elements in self._files:
            raise MetainfoError(f"two files of the torrent are called {shorten('/'.join(elements))}")
        if elements in self._folders:
            raise MetainfoError(f"{shorten('/'.join(elements))} is both a file and a folder of the torrent")
        self._files.add(elements)
        folder = elements[:-1]
        while folder and folder not in self._folders:
            if folder in self._files:
                raise MetainfoError(f"{shorten('/'.join(folder))} is both a file and a folder of the torrent")
            self._folders.add(folder)
            folder = folder[:-1]


def _composed(elements: tuple[str, ...]) -> tuple[str, ...]:
    if all(map(str.isascii, elements)):
        return elements
    return tuple(unicodedata.normalize("NFC", element) for element in elements)


def _objection(element: str) -> str | None:
    if not element:
        return "it is empty"
    if element in (".", ".."):
        return "it leads out of its folder"
    if "/" in element or "\\" in element:
        return "it contains a path separator"
    if has_unsafe_characters(element):
        return "it contains a control or invisible character"
    if len(element.encode()) > MAX_ELEMENT_BYTES:
        return f"it is longer than {MAX_ELEMENT_BYTES} bytes"
    if element[-1] in ". ":
        return "it ends with a dot or a space"
    if _DRIVE.match(element):
        return "it starts with a drive letter"
    if _DEVICE.fullmatch(element):
        return "it is a device name on Windows"
    return None


# C0, DEL and C1 controls, left-to-right and right-to-left marks, embeddings, overrides and isolates, byte order mark;
# and surrogates, which are no characters (undecodable bytes of a command line arrive as such).
_UNSAFE_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_DRIVE = re.compile(r"[A-Za-z]:")
# Reserved with any extension, and with spaces before it.
# Source: "Naming Files, Paths, and Namespaces", Win32 documentation.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[1-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE)
