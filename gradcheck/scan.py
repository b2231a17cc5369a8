"""What a source file declares, read from its syntax alone: nothing is imported that has nothing to check.

Beside ``partners.py``, whose names it looks for. Importing every file of a folder would run scripts; so
``discovery.py`` asks here first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.partners import BARE, FOR_ARGUMENT, GENERAL, PRODUCT, ROLES, STEMS

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Pair:
    """A function that has, by their names, a hand-written derivative beside it.

    Attributes:
        function: with its class before it, ``Model.fun``; argument: that the name of the derivative says, or None.
        order: 1 or 2; line: of the function.
    """

    function: str
    argument: str | None
    order: int
    line: int


@dataclass(frozen=True)
class Scan:
    """What stands in a file.

    Attributes:
        cases: whether ``gradcheck.case`` is used; pairs: found by name; functions: public ones at the top, for hints.
    """

    cases: bool = False
    pairs: tuple[Pair, ...] = ()
    functions: tuple[str, ...] = ()


def scan(source: bytes | str) -> Scan:
    """Read a source file.

    Raises:
        SyntaxError: it is no Python.

    >>> scan("def f(x): ...\\ndef f_grad(x): ...").pairs
    (Pair(function='f', argument=None, order=1, line=1),)
    >>> scan("import gradcheck as gc\\n@gc.case(argnum=1)\\ndef f(x, y): ...").cases
    True
    """
    try:
        tree = ast.parse(source)
    except ValueError as err:  # null bytes
        raise SyntaxError(str(err)) from None
    defined = [node.name for node in tree.body if isinstance(node, Function)]
    pairs = [pair for prefix, body in _scopes(tree) for pair in _pairs(prefix, body)]
    public = tuple(name for name in defined if not name.startswith("_"))
    return Scan(_declares(tree), tuple(pairs), public)


def _declares(tree: ast.Module) -> bool:
    """Whether ``case`` of gradcheck is named anywhere, under whatever name it was imported."""
    modules, names = set(), set()
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == "gradcheck"}
        elif isinstance(node, ast.ImportFrom) and node.module in ("gradcheck", "gradcheck.declared"):
            names |= {alias.asname or alias.name for alias in node.names if alias.name in ("case", "*")}
    names = {"case" if name == "*" else name for name in names}
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "case" and getattr(node.value, "id", None) in modules)
        or (isinstance(node, ast.Name) and node.id in names)
        for node in nodes
    )


def _scopes(tree: ast.Module) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The module, and the classes at its top of which an instance can be made without arguments."""
    yield "", tree.body
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not _needs_arguments(node):
            yield f"{node.name}.", node.body


def _needs_arguments(node: ast.ClassDef) -> bool:
    for statement in node.body:
        if isinstance(statement, Function) and statement.name == "__init__":
            own = statement.args
            positional = len(own.posonlyargs) + len(own.args) - 1
            return positional > len(own.defaults) or any(default is None for default in own.kw_defaults)
    decorated = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    return decorated and any(isinstance(s, ast.AnnAssign) and s.value is None for s in node.body)


def _pairs(prefix: str, body: list[ast.stmt]) -> Iterator[Pair]:
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    names = set(functions)
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    for name, node in functions.items():
        parameters = _parameters(node, method=bool(prefix))
        if not parameters or name.startswith("test_") or _is_property(node):
            continue
        for order in (1, 2):
            for argument in _partners(name, parameters, order, names - {name}):
                yield Pair(prefix + name, argument, order, node.lineno)


def _parameters(node: ast.FunctionDef, method: bool) -> list[str]:
    own = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in node.decorator_list)
    return own[1:] if method and not static else own


def _is_property(node: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(d) or ast.unparse(d).endswith(".setter") for d in node.decorator_list)


def _partners(name: str, parameters: list[str], order: int, names: set[str]) -> Iterator[str | None]:
    """The arguments for which a derivative stands there: a name, or None where its name does not say."""
    stems = [name, *(name.removesuffix(suffix) for suffix in STEMS if name.endswith(suffix) and name != suffix)]
    stems = [name, *(stem for stem in stems[1:] if stem not in names)]
    kinds = (1,) if order == 1 else (2, PRODUCT)
    for x in parameters:
        if any(pattern.format(f=stem, x=x) in names for stem in stems for k in kinds for pattern in FOR_ARGUMENT[k]):
            yield x
    patterns = [pattern for k in kinds for pattern in GENERAL[k]]
    general = [pattern.format(f=stem) for stem in stems for pattern in patterns if _is_plain(pattern, stem)]
    bare = BARE[order] if name in ROLES and not names & (set(ROLES) - {"__call__"}) else ()
    if names & {*general, *bare}:
        yield None


def _is_plain(pattern: str, stem: str) -> bool:
    """Whether a name made so means a derivative: ``df`` and ``dloss`` do, ``draw`` is not the derivative of ``raw``."""
    return pattern != "d{f}" or len(stem) == 1 or stem in ROLES
