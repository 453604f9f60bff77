"""XML of UPnP: what of it is read, within bounds, without what makes XML dangerous."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from transfer.errors import DecodeError


class UpnpError(DecodeError):
    """What a gateway said over UPnP makes no sense."""


@dataclass(slots=True)
class Element:
    """An element: its name without prefix, its text, and its children."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def text_of(self, name: str) -> str:
        """Of the first child of that name; empty without one."""
        return next((child.text for child in self.children if child.name == name), "")

    def all_named(self, name: str) -> Iterator[Element]:
        """Among all that is inside, in the order of the document."""
        waiting = [self]
        while waiting:
            found = waiting.pop()
            if found.name == name:
                yield found
            waiting += reversed(found.children)


def parse_xml(data: bytes) -> Element:
    """Reads a document.

    Raises:
        UpnpError: it is not well-formed, declares a document type (entities that expand without end live there), or is
            too deep or has too many elements.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take_text
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UpnpError(f"its XML is not well-formed: {error}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not have
        if isinstance(error, UpnpError):
            raise
        raise UpnpError(f"its XML cannot be read: {error}") from None
    assert reader.root is not None  # there is no document without an element
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise UpnpError("its XML is too large")
        element = Element(name.rpartition(":")[2])
        if self._open:
            self._open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self._open.append(element)

    def end(self, name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def take_text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def refuse_doctype(self, *_: object) -> None:
        raise UpnpError("its XML declares a document type")


MAX_DEPTH = 32
MAX_ELEMENTS = 5000
