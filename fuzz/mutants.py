"""The source of a module -> its mutants: the same module with one small fault each. No I/O.

In: Python source. Out: a `Mutant` for every fault that the rules below can make of it, in the
order of the source. `SyntaxError` comes out for what is no Python.

Changed are constants, comparisons, arithmetic, conditions, slices, calls and their arguments,
f-strings, handled exceptions and decorators; statements are left out. No behaviour, and so left
as they are, are type hints, docstrings, imports, ``__all__`` and what stands below
``if TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

__all__ = ["Mutant", "mutants"]

# How long the code around a fault is that is shown with it, in characters.
_SHOWN = 70

# Of the ways to get a comparison wrong, those that no other is harder to notice than: tests that
# find these, and a condition that is constant, find all (Kaminski, Ammann and Offutt, 2011).
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.NotEq),
    ast.Gt: (ast.GtE, ast.NotEq),
    ast.LtE: (ast.Lt, ast.Eq),
    ast.GtE: (ast.Gt, ast.Eq),
    ast.Eq: (ast.LtE, ast.GtE, ast.NotEq),
    ast.NotEq: (ast.Lt, ast.Gt, ast.Eq),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitAnd: (ast.BitOr,),
}
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Delete)
_SHOWABLE = (*_SIMPLE, ast.expr, ast.keyword, ast.comprehension)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Mutant(NamedTuple):
    """A module with one fault.

    Attributes
    ----------
    scope : str
        The function or class around the fault, ``"Header.size"``; empty at the top of the module.
    original, mutant : str
        The code around the fault as it was and as it is, in the spelling of ``ast.unparse``.
    nth : int
        Tells apart the faults of a scope that read the same, from 1.
    line : int
        Where it stands in the source.
    code : code
        The whole module, to be executed.
    """

    scope: str
    original: str
    mutant: str
    nth: int
    line: int
    code: CodeType


class _Place(NamedTuple):
    """A node in the tree, the field of its parent that it is in, and what is around it."""

    node: ast.AST
    parent: ast.AST
    field: str
    position: int | None
    scope: str
    ancestors: tuple[ast.AST, ...]  # from the module to the parent

    def instead(self, *nodes: ast.AST) -> _Change:
        """Put one node in the place of this, or none where there is a list of them."""
        if self.position is None:
            (value,) = nodes
            return self.parent, self.field, value
        return _spliced(self.parent, self.field, self.position, *nodes)


# A node, the name of one of its fields, and what the field is set to.
_Change = tuple[ast.AST, str, Any]


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """Make every mutant of a module.

    Parameters
    ----------
    source : str
    path : str
        What tracebacks call it.
    """
    tree = ast.parse(source)
    seen: set[tuple[int, str]] = set()
    numbers: dict[tuple[str, str, str], int] = {}
    for place in _places(tree, "", ()):
        for owner, field, value in _changes(place):
            shown = _shown(place, owner)
            original, before = _text(shown), getattr(owner, field)
            setattr(owner, field, value)
            left_out = isinstance(place.node, ast.stmt) and owner is place.parent
            mutant = "pass" if left_out else _text(shown)
            try:
                # Two rules may come to the same fault.
                if (id(shown), mutant) in seen:
                    continue
                seen.add((id(shown), mutant))
                code = compile(ast.fix_missing_locations(tree), path, "exec")
            finally:
                setattr(owner, field, before)
            key = place.scope, original, mutant
            numbers[key] = numbers.get(key, 0) + 1
            yield Mutant(*key, numbers[key], _line(place), code)


def _places(node: ast.AST, scope: str, ancestors: tuple[ast.AST, ...]) -> Iterator[_Place]:
    if isinstance(node, _SCOPES):
        scope = f"{scope}.{node.name}".lstrip(".")
    ancestors = (*ancestors, node)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        listed = isinstance(value, list)
        for index, child in enumerate(value if listed else [value]):
            if isinstance(child, ast.AST) and not _is_no_behaviour(child):
                yield _Place(child, node, field, index if listed else None, scope, ancestors)
                yield from _places(child, scope, ancestors)


def _is_no_behaviour(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
    return False


def _is_implied(place: _Place) -> bool:
    """Tell whether it is ``return None`` at the end of a function, which Python does anyway."""
    match place:
        case _Place(node=ast.Return(value=None | ast.Constant(value=None)), field="body"):
            return isinstance(place.parent, _SCOPES) and place.node is place.parent.body[-1]
    return False


def _changes(place: _Place) -> Iterator[_Change]:  # noqa: C901 - one branch a kind of code
    match place.node:
        case ast.Constant(value=value):
            for other in _other_values(value, place.parent):
                yield place.instead(ast.Constant(other))
        case ast.Compare() as node:
            yield from _changed_comparison(node)
        case ast.BoolOp(op=op, values=values) as node:
            yield node, "op", ast.Or() if isinstance(op, ast.And) else ast.And()
            if len(values) == 2:
                yield place.instead(values[1])
                yield place.instead(values[0])
            else:
                for index in range(len(values)):
                    yield _spliced(node, "values", index)
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) as node:
            for kind in _ARITHMETIC.get(type(operator), ()):
                yield node, "op", kind()
            if isinstance(node, ast.BinOp):
                yield place.instead(node.left)
                yield place.instead(node.right)
        case ast.UnaryOp(operand=operand):
            yield place.instead(operand)
        case ast.Call() as node:
            yield from _changed_call(node, place)
        case ast.Slice(lower=lower, upper=upper) as node:
            if lower is not None:
                yield node, "lower", None
            if upper is not None:
                yield node, "upper", None
        case ast.comprehension(ifs=conditions) as node:
            for index in range(len(conditions)):
                yield _spliced(node, "ifs", index)
        case ast.FormattedValue(conversion=conversion, format_spec=spec) as node:
            yield place.instead(ast.Constant(""))
            if conversion >= 0:
                yield node, "conversion", -1
            if spec is not None:
                yield node, "format_spec", None
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds) as node):
            for index in range(len(kinds)):
                yield _spliced(node, "elts", index)
        case ast.Raise(cause=ast.AST()) as node:
            yield node, "cause", None
    if isinstance(place.node, _SCOPES):
        for index in range(len(place.node.decorator_list)):
            yield _spliced(place.node, "decorator_list", index)
    if place.field == "test":
        yield place.instead(ast.Constant(True))
        yield place.instead(ast.Constant(False))
    if isinstance(place.node, (*_SIMPLE, ast.For)) and not _is_implied(place):
        yield place.instead(ast.Pass())


def _other_values(value: object, parent: ast.AST) -> list[Any]:
    match value:
        case bool():
            return [not value]
        case int():
            return sorted({value - 1, value + 1, 0, 1} - {value})
        case str():
            return [f"XX{value}XX"] if value else ["XX"]
        case bytes():
            return [b"XX%bXX" % value] if value else [b"XX"]
        case None if not isinstance(parent, ast.Compare):
            return [0]
    return []  # None in a comparison: the condition as a whole is changed


def _changed_comparison(node: ast.Compare) -> Iterator[_Change]:
    for index, (operator, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
        for kind in _COMPARISONS[type(operator)]:
            yield _spliced(node, "ops", index, kind())
        if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(right, ast.Tuple):
            for element in range(len(right.elts)):
                yield _spliced(right, "elts", element)


def _changed_call(node: ast.Call, place: _Place) -> Iterator[_Change]:
    for index, argument in enumerate(node.args):
        if not isinstance(argument, (ast.Constant, ast.Starred, ast.GeneratorExp)):
            yield _spliced(node, "args", index, ast.Constant(None))
    for index in range(len(node.keywords)):
        yield _spliced(node, "keywords", index)
    # Without the call: what it is a method of, or its only argument.
    if isinstance(node.func, ast.Attribute):
        yield place.instead(node.func.value)
    elif len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
        yield place.instead(node.args[0])


def _spliced(owner: ast.AST, field: str, index: int, *nodes: ast.AST) -> _Change:
    nodes_before = getattr(owner, field)
    return owner, field, [*nodes_before[:index], *nodes, *nodes_before[index + 1 :]]


def _shown(place: _Place, owner: ast.AST) -> ast.AST:
    """Choose the node to show: of those around the change, the largest that is short."""
    if isinstance(place.node, ast.stmt):
        return place.node
    around = [*place.ancestors, place.node]
    shown = owner
    for node in reversed(around[: around.index(owner)] if owner in around else around):
        is_condition = isinstance(node, (ast.If, ast.While)) and shown is node.test
        if not is_condition and not isinstance(node, _SHOWABLE):
            break
        # Half an f-string says little, and may be no Python.
        if len(_text(node)) > _SHOWN and not isinstance(shown, ast.FormattedValue):
            break
        shown = node
    return shown


def _line(place: _Place) -> int:
    around = (place.node, *reversed(place.ancestors))
    return next(node.lineno for node in around if isinstance(node, (ast.stmt, ast.expr)))


def _text(node: ast.AST) -> str:
    """Spell a node; of one that has a body, its head."""
    match node:
        case ast.If(test=test) | ast.While(test=test):
            return f"if {ast.unparse(test)}"
        case ast.For(target=target, iter=iterable):
            return f"for {ast.unparse(target)} in {ast.unparse(iterable)}"
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return " ".join([*(f"@{ast.unparse(d)}" for d in node.decorator_list), node.name])
    return ast.unparse(node)
