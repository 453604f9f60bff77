from __future__ import annotations

import ast
from pathlib import Path

import pytest

import kademlia_core


def test_every_public_name_is_there_for_programs_and_for_type_checkers() -> None:
    tree = ast.parse(Path(kademlia_core.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("kademlia_core.", "transfer."))
        for alias in node.names
    }
    assert sorted(typed) == sorted(kademlia_core.__all__)
    assert typed == kademlia_core._MODULES
    for name in kademlia_core.__all__:
        value = getattr(kademlia_core, name)
        assert getattr(value, "__name__", name) == name or name == "AnyLookup"
        assert name in dir(kademlia_core)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = kademlia_core.Nothing
