"""Names of files as strangers chose them, made fit for the disk: always possible, and the same wherever it is done.

The rules are libtorrent's (`sanitize_append_path_element`), so that both find each other's files: separators, NUL and
invisible marks are taken out, other control characters and what is not UTF-8 become `_`, too long names lose their end
but not their extension, and what nothing is left of is called `_`. Where that would change a harmless name, or lose
more than it must, it is not followed: names of 241 to 255 bytes stay, and so do the joiners that emoji and Persian are
written with; a broken UTF-8 sequence swallows no letter behind it.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass

STATE_FOLDER = ".kad"  # where storage/resume.py keeps its files, inside the download directory
MAX_ELEMENT_BYTES = 255  # NAME_MAX of the common file systems


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRules:
    """What the system that stores the files can tell apart.

    Attributes:
        is_windows: no `<>:"|?*`, no dot or space at the end, no names of devices.
        ignores_case: names that differ only in case, or in Unicode normalisation, are one.
    """

    is_windows: bool = sys.platform == "win32"
    ignores_case: bool = sys.platform in ("win32", "darwin")

    def key(self, name: str) -> str:
        """Equal for names that mean one file."""
        if not self.ignores_case:
            return name
        return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


SYSTEM_RULES = NameRules()


def safe_name(raw: bytes, rules: NameRules = SYSTEM_RULES) -> str:
    """One element of a path as it may be stored; `_` where nothing is left. A name that is safe already stays."""
    return clean_name(raw, rules) or "_"


def clean_name(raw: bytes, rules: NameRules = SYSTEM_RULES) -> str:
    """As `safe_name`, but empty where nothing is left: for callers that know a better name then."""
    if _PLAIN.fullmatch(raw) and raw not in _DOTS:
        name = raw.decode()
    else:
        name = _REMOVED.sub("", _decode(raw))
        name = "" if name in ("", ".", "..") else _shorten(_CONTROL.sub("_", name))
    return _for_windows(name) if rules.is_windows and name else name


def safe_top_name(name: str, rules: NameRules = SYSTEM_RULES) -> str:
    """The name of something directly in the download directory, which must not be the folder of our own state."""
    return name if not is_state_folder(name, rules) else cut_to("_" + name, MAX_ELEMENT_BYTES)


def is_state_folder(name: str, rules: NameRules = SYSTEM_RULES) -> bool:
    """Whether any file system might take `name` for the folder where downloads keep their state.

    Some ignore case and characters without a width (the way into Git's `.git`, CVE-2014-9390), and Windows gives
    folders short names.
    """
    plain = unicodedata.normalize("NFKC", _IGNORABLE.sub("", name)).casefold().rstrip(". ")
    return plain == STATE_FOLDER or (rules.is_windows and _SHORT_STATE_FOLDER.fullmatch(plain) is not None)


def split_extension(name: str) -> tuple[str, str]:
    """What comes before the last dot, and the rest with the dot; no extension where that leaves no room for a name."""
    dot = name.rfind(".")
    if dot < 0 or len(name[dot:].encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return name[:dot], name[dot:]


def cut_to(name: str, size: int) -> str:
    """The beginning of `name` in at most `size` bytes, no character cut in two."""
    return name.encode()[:size].decode(errors="ignore")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _UTF8.sub(lambda found: found[0] if found[1] else b"_", raw).decode()


def _shorten(name: str) -> str:
    """To 240 bytes, and an extension of up to nine more."""
    raw = name.encode()
    if len(raw) <= MAX_ELEMENT_BYTES:
        return name
    dot = raw.rfind(b".", len(raw) - _KEPT_EXTENSION_BYTES)
    # A character that crosses the edge is kept whole, as libtorrent does.
    end = _KEPT_BYTES
    while raw[end] & 0xC0 == 0x80:
        end += 1
    return (raw[:end] + (raw[dot:] if dot > end else b"")).decode()


def _for_windows(name: str) -> str:
    name = _NOT_ON_WINDOWS.sub("_", name).rstrip(". ")
    return cut_to("_" + name, MAX_ELEMENT_BYTES) if _DEVICE.fullmatch(name) else name


_PLAIN = re.compile(rb"[^\x00-\x1f/\\\x7f-\xff]{1,%d}" % MAX_ELEMENT_BYTES)
_DOTS = frozenset((b".", b".."))
# Separators and NUL; marks that change what is displayed or are not displayed at all. Not U+200C and U+200D: joiners
# are part of how some languages, and emoji, are written.
_REMOVED = re.compile("[/\\\\\x00\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f]")
# Group 1 is a character. What else matches is replaced as one: a first byte with those of the bytes it announces that
# do follow.
_UTF8 = re.compile(
    rb"([\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})"
    rb"|[\xc0-\xdf][\x80-\xbf]?|[\xe0-\xef][\x80-\xbf]{0,2}|[\xf0-\xf7][\x80-\xbf]{0,3}|[\xf8-\xfb][\x80-\xbf]{0,4}"
    rb"|[\x80-\xff]"
)
_IGNORABLE = re.compile("[\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_NOT_ON_WINDOWS = re.compile('[<>:"|?*]')
# Reserved with any extension, and with spaces before it.
# Source: "Naming Files, Paths, and Namespaces", Win32 documentation.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE)
_SHORT_STATE_FOLDER = re.compile(r"kad~[0-9]+")
_KEPT_BYTES = 240
_KEPT_EXTENSION_BYTES = 9
_MAX_EXTENSION_BYTES = 240
