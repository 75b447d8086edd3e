"""A fingerprint of the code that a step reaches, to make it stale when that changes."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_version(step: str) -> str:
    """Hash of the script `pipeline.<step>` and of every module of ours that it imports.

    Only what runs counts: comments, docstrings, layout and file times do not.
    """
    modules = sorted(_reached(f"{PACKAGE.name}.{step}"))
    text = "\n".join(f"{name} {_code(name)}" for name in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _reached(start: str) -> set[str]:
    """Names of the modules that `start` imports, directly or not, and itself."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(name)
    return reached


def _file(module: str) -> Path | None:
    """The file of one of our modules; None for any other name."""
    head, *rest = module.split(".")
    if head != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    options = (path.with_suffix(".py"), path / "__init__.py")
    return next((option for option in options if option.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> list[str]:
    """Our modules that a module imports, anywhere in it, and packages above them."""
    names: list[str] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parents = [
        name.rsplit(".", n)[0] for name in names for n in range(1, name.count("."))
    ]
    return [name for name in {*names, *parents} if _file(name)]


@cache
def _code(module: str) -> str:
    """A module's syntax tree without docstrings, as text."""
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not _is_docstring(n)] or [ast.Pass()]
    return ast.dump(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
