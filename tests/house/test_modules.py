"""The house rules of source files, read from their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "tallymark"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [path.relative_to(SOURCE).as_posix() for path in FILES]
MAX_FILE = 500
MAX_FUNCTION = 60

every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        if isinstance(target, ast.Name) and target.id == "__all__":
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return list(ast.literal_eval(node.value))
    return None


def _registers(tree: ast.Module) -> set[str]:
    """Names of this project's own decorators that a module can use: its private ones, imports."""
    found = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
    found = {name for name in found if name.startswith("_")}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tallymark"):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def _is_registered(node: ast.stmt, tree: ast.Module) -> bool:
    """A function reached through the command line or a registry, not by import."""
    own = _registers(tree)
    for one in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
        call = one.func if isinstance(one, ast.Call) else one
        if isinstance(call, ast.Attribute) and call.attr in {"command", "group"}:
            return True
        if isinstance(call, ast.Name) and call.id in own:
            return True
    return False


def _bound(nodes: list[ast.stmt]) -> Iterator[str]:
    """The names that top-level statements bind, also under ``if`` and ``try``."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from _bound(node.body)
            yield from _bound(node.orelse)


@every_file
def test_all_is_honest(path: Path) -> None:
    """``__all__`` lists every public class and function, and nothing that is not there."""
    tree = _tree(path)
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not _is_registered(node, tree)
    }
    exported = _exported(tree)
    if exported is None:
        assert not public, f"no __all__, yet public: {sorted(public)}"
        return
    assert len(exported) == len(set(exported)), "a name is listed twice"
    lazy = "__getattr__" in public | set(_bound(tree.body))
    missing = set() if lazy else set(exported) - set(_bound(tree.body))
    assert not missing, f"listed in __all__ but not there: {sorted(missing)}"
    assert public <= set(exported), f"public but not listed: {sorted(public - set(exported))}"


@every_file
def test_files_and_functions_are_small(path: Path) -> None:
    """A file has under 500 lines and a function under 60, decorators and docstring included."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines < MAX_FILE, f"{lines} lines"
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            length = (node.end_lineno or node.lineno) - first + 1
            assert length < MAX_FUNCTION, f"{node.name} has {length} lines"


@every_file
def test_errors_are_caught_by_name(path: Path) -> None:
    """No bare ``except`` and none of ``Exception``: what is caught is what is expected.

    There are two exceptions: the outermost frame of the command line, which says an unforeseen
    error in one line, with exit code 2, in place of a traceback; and the frame around a plug-in,
    whose author is not us.
    """
    outermost = path.parent.name == "cli" or path.name == "plugins.py"
    allowed = {"Exception"} if outermost else set()
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None, f"line {node.lineno}: a bare except"
        caught = {one.id for one in ast.walk(node.type) if isinstance(one, ast.Name)}
        assert not caught & {"Exception", "BaseException"} - allowed, (
            f"line {node.lineno}: names no error"
        )


@every_file
def test_source_neither_prints_nor_asserts(path: Path) -> None:
    """Source talks through the command line and raises real errors."""
    for node in ast.walk(_tree(path)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: assert"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}: print"


@pytest.mark.parametrize(
    "path",
    sorted((SOURCE / "models").rglob("*.sql")),
    ids=lambda path: path.relative_to(SOURCE).as_posix(),
)
def test_models_say_their_grain(path: Path) -> None:
    """An SQL model begins with what a row is, and has its description beside it."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    assert first.startswith("-- One row per "), first
    assert path.with_suffix(".yml").is_file(), "no .yml beside it"
