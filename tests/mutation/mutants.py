"""Small faults for a source text, one at a time: would any test notice?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        line: where it is, from 1.
        statement: where the innermost statement begins that it belongs to.
        what: the change in words, such as `< to <=`.
        start: where it begins in the text.
        end: where it ends there.
        text: what stands there instead.
        is_at_import: it is in no function, so that it is at work before any test runs.
    """

    line: int
    statement: int
    what: str
    start: int
    end: int
    text: str
    is_at_import: bool

    def in_(self, source: str) -> str:
        """The whole text with the fault in it."""
        return source[: self.start] + self.text + source[self.end :]


COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


def mutants_of(source: str) -> list[Mutant]:
    """Every fault that is known for `source`, in the order of its lines.

    Docstrings, imports, annotations and texts of errors have none: a test that notices these notices words. Nor have
    `check_invariants`, which is a test itself, and the defaults of configs and limits, which are a matter of tuning.
    """
    lines = source.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def offset(line: int | None, column: int | None) -> int:
        """Where a position of `ast`, a line from 1 and bytes of UTF-8, is in the text."""
        assert line is not None
        assert column is not None
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    found = []
    tree = ast.parse(source)
    statements = {node: part.lineno for part in ast.walk(tree) if isinstance(part, ast.stmt) for node in ast.walk(part)}
    called_later = {node for function in ast.walk(tree) for part in _body_of(function) for node in ast.walk(part)}
    for node, replacement, what in _faults(tree):
        text = ast.unparse(ast.fix_missing_locations(replacement))
        start, end = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
        new = f"({text})" if isinstance(node, ast.expr) else text
        found.append(Mutant(node.lineno, statements[node], what, start, end, new, node not in called_later))
    return sorted(found, key=lambda mutant: mutant.line)


def _faults(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, ast.AST, str]]:
    for node in _walk(tree):
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                other = COMPARISONS.get(type(operator))
                if other is not None:
                    ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                    yield node, ast.Compare(node.left, ops, node.comparators), _words(operator, other())
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_text(node):
            operator_ = ARITHMETIC[type(node.op)]()
            yield node, ast.BinOp(node.left, operator_, node.right), _words(node.op, operator_)
        elif isinstance(node, ast.BoolOp):
            other_ = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, ast.BoolOp(other_, node.values), _words(node.op, other_)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node, node.operand, "not removed"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, ast.Constant(not node.value), f"{node.value} to {not node.value}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node, ast.Constant(node.value + 1), f"{node.value} to {node.value + 1}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            other_name = CALLS[node.func.id]
            call = ast.Call(ast.Name(other_name, ast.Load()), node.args, node.keywords)
            yield node, call, f"{node.func.id} to {other_name}"
        elif isinstance(node, ast.AugAssign | ast.Continue | ast.Break) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)
        ):
            yield node, ast.Pass(), "statement removed"


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes whose faults say something about behaviour."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases", "keywords") and not isinstance(
            node, ast.Call
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr
            ):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.FunctionDef) and child.name in ("check_invariants", "__repr__"):
                continue
            if isinstance(child, ast.AnnAssign) and (_is_config(node) or "TypeAlias" in ast.unparse(child.annotation)):
                continue
            yield child
            yield from _walk(child)


def _body_of(node: ast.AST) -> list[ast.AST]:
    """What a function does when it is called."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [*node.body]
    return [node.body] if isinstance(node, ast.Lambda) else []


def _is_config(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Limits"))


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.Constant | ast.JoinedStr) and not _is_number(side) for side in (node.left, node.right)
    )


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _words(before: ast.AST, after: ast.AST) -> str:
    return f"{SIGNS[type(before)]} to {SIGNS[type(after)]}"


SIGNS: dict[type[ast.AST], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Div: "/",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.And: "and",
    ast.Or: "or",
}
