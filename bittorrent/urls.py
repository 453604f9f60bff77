"""URLs as people, torrents and servers write them, made fit to be sent. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit


def escaped_url(url: str) -> str:
    """A URL, or the relative one of a redirect, without its fragment: what no URL may contain is escaped.

    What is escaped already stays; a percent sign that escapes nothing stands for itself. A host with letters of other
    alphabets gets its name in the DNS. Bytes of a header that were no UTF-8 (surrogates) are escaped as they are.

    Raises:
        ValueError: its host cannot be read.
    """
    text = url.strip().partition("#")[0]
    netloc = urlsplit(text).netloc
    if not netloc.isascii():
        text = text.replace(netloc, _ascii_netloc(netloc), 1)
    return quote(_STRAY_PERCENT.sub("%25", text).encode("utf-8", "surrogateescape"), safe=_CHARACTERS)


def is_http(url: str) -> bool:
    """Whether a text is the URL of something that HTTP can fetch."""
    try:
        parts = urlsplit(escaped_url(url))
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _ascii_netloc(netloc: str) -> str:
    user, at, place = netloc.rpartition("@")
    host, colon, port = place.partition(":")
    try:
        return f"{user}{at}{host.encode('idna').decode()}{colon}{port}"
    except UnicodeError:
        raise ValueError(f"{host!r:.80} is no host name") from None


_CHARACTERS = "%:/?[]@!$&'()*+,;=~"  # RFC 3986: reserved, or the mark of what is escaped already
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
